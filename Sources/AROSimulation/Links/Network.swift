/// The simulated Internet at work: asked of every datagram whether and when it arrives. It holds
/// the access links' queues, the state of bursty paths and the partitions; it never sees a byte.

import AROPrimitives

/// What was lost on the way, by cause.
public struct NetworkDrops: Hashable, Sendable {
    public var lost: UInt64 = 0
    public var queueFull: UInt64 = 0
    public var tooLarge: UInt64 = 0
    public var partitioned: UInt64 = 0
    /// A NAT did not let it in.
    public var filtered: UInt64 = 0
    /// Nobody has the address, or nobody listens there now.
    public var nobodyThere: UInt64 = 0
}

/// What becomes of one datagram.
struct Passage {
    /// When it reaches the receiver's access link; nil where it does not.
    var arrival: Instant?
    /// When a second copy does.
    var copyArrival: Instant?
    /// A bit to be flipped, counted from the first; nil for none.
    var damagedBit: Int?

    static let none = Passage()
}

private func dropped(_ cause: inout UInt64) -> Passage {
    cause += 1
    return .none
}

struct Network: ~Copyable {
    var model: NetworkModel
    private(set) var drops = NetworkDrops()
    private var ends: [End] = []
    private var chance: Generator
    private let pairSeed: UInt64
    /// Directed paths in Gilbert and Elliott's bad state. Asked, never iterated.
    private var badPaths: Set<UInt64> = []
    /// Directed pairs of sides between which nothing passes; few.
    private var cuts: [Cut] = []
    /// Directed paths that hold things back, and until when. Asked, never iterated.
    private var clogs: [UInt64: Instant] = [:]

    private struct End {
        var link: AccessLink
        var region: Int32
        var side: Int32 = 0
        var isAlone = false
        var cloggedUntil = Instant.origin
        var upFreeAt = Instant.origin
        var downFreeAt = Instant.origin
        var processorFreeAt = Instant.origin
        var unprocessedByteCount = 0
    }

    private struct Cut: Equatable {
        var from, to: Int32
    }

    init(model: NetworkModel, seeds: Seeds) {
        self.model = model
        chance = seeds.generator("links")
        pairSeed = seeds.number("pairs")
    }

    mutating func addEnd(_ link: AccessLink, region: Int) {
        precondition(
            model.roundTrip.places.map { $0.contains(region) } ?? true, "no region \(region)")
        ends.append(End(link: link, region: Int32(region)))
    }

    mutating func setLink(_ link: AccessLink, of node: Int) { ends[node].link = link }

    var heapByteCount: Int { ends.heapByteCount }

    // MARK: Partitions

    mutating func setSide(_ side: Int, of node: Int) { ends[node].side = Int32(side) }

    /// Stops what goes from one side to another, in this direction.
    mutating func cut(from: Int, to: Int) {
        let cut = Cut(from: Int32(from), to: Int32(to))
        if !cuts.contains(cut) { cuts.append(cut) }
    }

    mutating func heal() { cuts.removeAll() }

    /// Cuts a node off from everyone, or ends that. A partition is another matter.
    mutating func setAlone(_ isAlone: Bool, _ node: Int) { ends[node].isAlone = isAlone }

    // MARK: Clogs

    mutating func clog(_ node: Int, until end: Instant) {
        ends[node].cloggedUntil = max(ends[node].cloggedUntil, end)
    }

    mutating func clog(from: Int, to: Int, until end: Instant) {
        let path = Self.directed(from, to)
        clogs[path] = max(clogs[path] ?? .origin, end)
    }

    /// When what is sent now starts on its way.
    @inline(__always)
    private func start(_ from: Int, _ to: Int, _ now: Instant) -> Instant {
        let end = max(now, ends[from].cloggedUntil, ends[to].cloggedUntil)
        guard !clogs.isEmpty, let path = clogs[Self.directed(from, to)] else { return end }
        return max(end, path)
    }

    // MARK: A datagram's way

    /// A datagram of `byteCount` bytes, headers included, leaves `from` for `to`.
    mutating func send(
        from: Int, to: Int, byteCount: Int, at now: Instant
    ) -> Passage {
        let mtu = min(model.mtu, ends[from].link.mtu, ends[to].link.mtu)
        guard byteCount <= mtu else { return dropped(&drops.tooLarge) }
        guard let departure = leave(from, byteCount, now) else {
            return dropped(&drops.queueFull)
        }
        if isCut(from, to) { return dropped(&drops.partitioned) }
        if isLost(from, to) { return dropped(&drops.lost) }
        let start = start(from, to, departure)
        let arrival = start + oneWay(from, to, at: start)
        var passage = Passage()
        passage.arrival = arrival + heldBack()
        if model.duplicate.falls(&chance) { passage.copyArrival = arrival + heldBack() }
        if model.damage.falls(&chance) { passage.damagedBit = chance.below(byteCount * 8) }
        return passage
    }

    /// When something gets there that is sent until it does, at no rate; nil where a partition
    /// keeps it back.
    func sendReliably(from: Int, to: Int, at now: Instant) -> Instant? {
        if isCut(from, to) { return nil }
        let start = start(from, to, now)
        return start + oneWay(from, to, at: start)
    }

    /// Whether the receiver's link is limited, so that its queue must be asked on arrival.
    func isDownLimited(_ node: Int) -> Bool { ends[node].link.down != nil }

    /// A datagram reaches the receiver's access link: when it comes out; nil where the queue is
    /// full.
    mutating func passDown(_ node: Int, byteCount: Int, at now: Instant) -> Instant? {
        guard let rate = ends[node].link.down else { return now }
        let max = ends[node].link.downQueueByteCountMax
        let out = Self.enqueue(&ends[node].downFreeAt, byteCount, rate: rate, queueMax: max, now)
        if out == nil { drops.queueFull += 1 }
        return out
    }

    /// A datagram waits for the receiver's processor: when that is done with it; nil where the
    /// socket's buffer is full.
    mutating func beginProcessing(
        _ node: Int, _ processing: Processing, isHandshake: Bool, byteCount: Int, at now: Instant
    ) -> Instant? {
        guard ends[node].unprocessedByteCount + byteCount <= Place.socketBufferMax else {
            drops.queueFull += 1
            return nil
        }
        ends[node].unprocessedByteCount += byteCount
        let span = isHandshake ? processing.handshake : processing.packet
        ends[node].processorFreeAt = max(ends[node].processorFreeAt, now) + span
        return ends[node].processorFreeAt
    }

    /// What ``beginProcessing(_:_:isHandshake:byteCount:at:)`` let in is taken out.
    mutating func endProcessing(_ node: Int, byteCount: Int) {
        ends[node].unprocessedByteCount -= byteCount
    }

    mutating func countNobodyThere() { drops.nobodyThere += 1 }

    mutating func countFiltered() { drops.filtered += 1 }

    /// The round-trip time of a pair without jitter and queues: what `stretch` is measured against.
    @inline(__always)
    func roundTrip(_ a: Int, _ b: Int) -> Duration {
        let core: Duration
        switch model.roundTrip {
        case .constant(let span): core = span
        case .uniform(let low, let high):
            let width = UInt64(max(0, high.nanoseconds - low.nanoseconds))
            let place = pairHash(a, b).multipliedFullWidth(by: width).high
            core = low + .nanoseconds(Int64(place))
        case .regions(let matrix):
            core = matrix.roundTrip(Int(ends[a].region), Int(ends[b].region))
        case .coordinates(let table):
            core = table.roundTrip(Int(ends[a].region), Int(ends[b].region))
        }
        let scaled = model.spread?.scale(core, at: mix64(pairHash(a, b))) ?? core
        return scaled + ends[a].link.delay * 2 + ends[b].link.delay * 2
    }

    @inline(__always)
    private func isCut(_ from: Int, _ to: Int) -> Bool {
        if ends[from].isAlone || ends[to].isAlone { return true }
        return !cuts.isEmpty && cuts.contains(Cut(from: ends[from].side, to: ends[to].side))
    }

    private mutating func leave(_ node: Int, _ byteCount: Int, _ now: Instant) -> Instant? {
        guard let rate = ends[node].link.up else { return now }
        return Self.enqueue(
            &ends[node].upFreeAt, byteCount, rate: rate,
            queueMax: ends[node].link.upQueueByteCountMax, now)
    }

    private mutating func isLost(_ from: Int, _ to: Int) -> Bool {
        if ends[from].link.loss.falls(&chance) || ends[to].link.loss.falls(&chance) { return true }
        switch model.loss {
        case .none: return false
        case .independent(let p): return p.falls(&chance)
        case .gilbertElliott(let toBad, let toGood, let inGood, let inBad):
            let isBad = nextStateIsBad(from, to, toBad, toGood)
            return (isBad ? inBad : inGood).falls(&chance)
        case .bursts(let mean, let length):
            let (toBad, toGood) = Loss.chances(mean: mean, length: length)
            return nextStateIsBad(from, to, toBad, toGood)
        }
    }

    /// Lets a directed path change its state, and says which it is in now.
    private mutating func nextStateIsBad(
        _ from: Int, _ to: Int, _ toBad: Chance, _ toGood: Chance
    ) -> Bool {
        let path = Self.directed(from, to)
        let wasBad = badPaths.contains(path)
        guard (wasBad ? toGood : toBad).falls(&chance) else { return wasBad }
        if wasBad { badPaths.remove(path) } else { badPaths.insert(path) }
        return !wasBad
    }

    @inline(__always)
    private func oneWay(_ from: Int, _ to: Int, at now: Instant) -> Duration {
        let base = roundTrip(from, to) / 2
        guard let jitter = model.jitter else { return base }
        return base + jitter.delay(path: pairSeed ^ mix64(Self.directed(from, to)), at: now)
    }

    private mutating func heldBack() -> Duration {
        guard model.reorder.falls(&chance) else { return .zero }
        return chance.between(.zero, model.reorderDelayMax)
    }

    @inline(__always)
    private func pairHash(_ a: Int, _ b: Int) -> UInt64 {
        mix64(pairSeed ^ mix64(Self.directed(min(a, b), max(a, b))))
    }

    private static func directed(_ from: Int, _ to: Int) -> UInt64 {
        UInt64(from) << 32 | UInt64(to)
    }

    /// One datagram through a queue that empties at `rate` bits per second; nil where it is full.
    private static func enqueue(
        _ freeAt: inout Instant, _ byteCount: Int, rate: Int64, queueMax: Int64, _ now: Instant
    ) -> Instant? {
        let start = max(freeAt, now)
        let waiting = Int128((start - now).nanoseconds) * Int128(rate) / 8_000_000_000
        guard waiting + Int128(byteCount) <= Int128(queueMax) else { return nil }
        freeAt = start + .nanoseconds(Int64(Int128(byteCount) * 8_000_000_000 / Int128(rate)))
        return freeAt
    }
}
