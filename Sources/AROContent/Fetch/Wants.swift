/// The blocks that a fetch needs now and does not have yet: a bounded table, looked up by CID, with
/// the open ones in the order in which they are asked for.
///
/// Where nobody reads along that order is one of chance, after the nodes of the tree: of fetches that
/// begin together each then soon has blocks that the others lack. BitTorrent takes the rarest first,
/// which needs to know what everybody has; chance needs no messages, and is as good while no block is
/// rare (Legout et al. 2006, "Rarest First and Choke Algorithms Are Enough", compare the two).

import AROPrimitives
import AROWire

struct Want {
    enum State {
        /// The disk was asked for it.
        case checking
        /// Another fetch of this node sees to it.
        case elsewhere
        /// To be asked of a peer.
        case open
        /// Asked of the peers in ``Want/holders``.
        case requested
        /// Verified and handed to the disk.
        case writing
    }

    let cid: CID
    /// Where in the order of the tree it stands first.
    let order: UInt128
    var state = State.checking
    /// Places of the walk that wait for this node; empty for leaves.
    var places: [Int] = []
    /// The size that its parents promise.
    var byteCount: Int?
    /// File bytes to count when it is stored.
    var fileBytes: UInt64 = 0
    /// How often the walk met it.
    var occurrences: UInt64 = 0
    /// Its bytes were counted already.
    var isAgain = false
    /// Links that were asked, that hold it by their own word, and that do not: one bit a link.
    var holders: UInt64 = 0
    var saidHeld: UInt64 = 0
    var saidMissing: UInt64 = 0
    /// When whoever was asked last is late.
    var hedgeAt = Instant.distantFuture
    /// Bytes of a block that is being written.
    var writing = 0

    /// The memory that an answer may take, bytes.
    var charge: Int { byteCount ?? WireLimits.blockMax }

    /// What an answer is expected to take, bytes; nil for nodes, whose size nobody promises.
    var weight: Int?
}

extension Want {
    /// Whether a link's peer could give it, as far as we know.
    func mayAsk(_ link: Int, isPartial: Bool) -> Bool {
        let bit: UInt64 = 1 << UInt64(link)
        return (holders | saidMissing) & bit == 0 && (!isPartial || saidHeld & bit != 0)
    }
}

/// How much more may be asked of one peer.
struct AskBudget {
    /// Requests until the stream's bound.
    var requests: Int
    /// Requests that are always allowed, whatever they weigh.
    var free: Int
    /// Bytes until the peer's window is full, and until the fetch's memory is.
    var window: Int
    var memory: Int
    /// Nothing is in memory: one block must fit, whatever the bound.
    var mayExceedMemory: Bool
    /// What a node is expected to take, bytes.
    var nodeWeight: Int

    var isSpent: Bool { requests <= 0 || (free <= 0 && window <= 0) }

    mutating func take(_ want: Want) -> Bool {
        let weight = want.weight ?? nodeWeight
        guard !isSpent, mayExceedMemory || want.charge <= memory, free > 0 || weight <= window
        else { return false }
        mayExceedMemory = false
        requests -= 1
        free -= 1
        window -= weight
        memory -= want.charge
        return true
    }
}

struct Wants {
    struct Ordered {
        var cid: CID
        var order: UInt128
    }

    private let fetchOrder: FetchOptions.Order
    private let readAhead: Int
    private let salt: UInt64
    private var takenCount = 0
    private var table: [CID: Want] = [:]
    /// The open ones, in order.
    private(set) var open: [Ordered] = []
    /// Those asked of peers, in the order they were first asked.
    private(set) var requested: [CID] = []
    /// Those that another fetch sees to.
    private(set) var elsewhere: [CID] = []

    /// - Parameters:
    ///   - readAhead: where somebody reads along, blocks that come in order all the same.
    ///   - salt: decides where chance does.
    init(_ order: FetchOptions.Order, readAhead: Int, salt: UInt64) {
        (fetchOrder, self.readAhead, self.salt) = (order, readAhead, salt)
    }

    var count: Int { table.count }
    var isEmpty: Bool { table.isEmpty }
    /// Whether any of them must come from a peer.
    var needPeers: Bool { !open.isEmpty || !requested.isEmpty }
    /// The first of those that must come from a peer.
    var firstMissing: CID? { open.first?.cid ?? requested.first }

    subscript(_ cid: CID) -> Want? {
        _read { yield table[cid] }
        _modify { yield &table[cid] }
    }

    /// - Parameter isNode: others depend on it, so that it is not left to chance.
    mutating func add(_ cid: CID, order: UInt128, isNode: Bool) {
        let place = isNode || fetchOrder == .reading ? order >> 1 : shuffled(order)
        table[cid] = Want(cid: cid, order: place)
    }

    /// A place behind all nodes that depends on nothing but the place in the tree and the salt
    /// (SplitMix64: Steele et al. 2014).
    private func shuffled(_ order: UInt128) -> UInt128 {
        var word = UInt64(truncatingIfNeeded: order >> 64) ^ UInt64(truncatingIfNeeded: order)
        word = (word ^ salt) &+ 0x9e37_79b9_7f4a_7c15
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return 1 << 127 | UInt128(word ^ (word >> 31)) << 32
    }

    @discardableResult
    mutating func remove(_ cid: CID) -> Want? {
        leaveLists(cid)
        return table.removeValue(forKey: cid)
    }

    /// Changes the state; the want must exist.
    mutating func set(_ cid: CID, _ state: Want.State) {
        leaveLists(cid)
        table[cid]!.state = state
        switch state {
        case .open:
            let order = table[cid]!.order
            open.insert(Ordered(cid: cid, order: order), at: firstOpen(after: order))
        case .requested: requested.append(cid)
        case .elsewhere: elsewhere.append(cid)
        case .checking, .writing:
            (table[cid]!.holders, table[cid]!.saidHeld, table[cid]!.saidMissing) = (0, 0, 0)
        }
    }

    private func firstOpen(after order: UInt128) -> Int {
        open.partitionPoint { $0.order <= order }
    }

    private mutating func leaveLists(_ cid: CID) {
        switch table[cid]?.state {
        case .open: open.removeAll { $0.cid == cid }
        case .requested: requested.removeAll { $0 == cid }
        case .elsewhere: elsewhere.removeAll { $0 == cid }
        default: break
        }
    }

    /// Takes open wants that the link may be asked for, as far as `budget` goes, and sets them to
    /// requested: in their order, but where somebody reads what others hold too, every second one is
    /// some other of the next few.
    ///
    /// - Parameter isShared: whether others hold it; see ``ExchangeConfiguration/readAheadMax``.
    mutating func take(
        for link: Int, isPartial: Bool, isShared: Bool, _ budget: inout AskBudget
    ) -> [CID] {
        var taken: [CID] = []
        var places: [Int] = []
        let near = isShared && fetchOrder == .reading ? min(readAhead, open.count) : 0
        var (inOrder, aside) = (0, 0)
        while inOrder < open.count, !budget.isSpent {
            var place = inOrder
            if aside < near, (takenCount + taken.count) % 2 == 1 {
                place = Int((salt &+ UInt64(aside)) % UInt64(near))
                aside += 1
            } else {
                inOrder += 1
            }
            let cid = open[place].cid
            guard let want = table[cid], want.state == .open,
                want.mayAsk(link, isPartial: isPartial)
            else { continue }
            guard budget.take(want) else { break }
            taken.append(cid)
            places.append(place)
            table[cid]!.state = .requested
        }
        takenCount += taken.count
        requested += taken
        removeOpen(at: places)
        return taken
    }

    private mutating func removeOpen(at places: [Int]) {
        let places = places.sorted()
        guard var kept = places.first, let last = places.last else { return }
        let after = kept
        var next = 0
        for i in after...last {
            if next < places.count, places[next] == i {
                next += 1
            } else {
                open[kept] = open[i]
                kept += 1
            }
        }
        open.removeSubrange(kept...last)
    }

    /// A link's place is free: forgets what its peer said.
    mutating func forget(link: Int) {
        for entry in open { clear(entry.cid, link) }
        for cid in requested { clear(cid, link) }
    }

    private mutating func clear(_ cid: CID, _ link: Int) {
        let others: UInt64 = ~(1 << UInt64(link))
        table[cid]!.holders &= others
        table[cid]!.saidHeld &= others
        table[cid]!.saidMissing &= others
    }
}
