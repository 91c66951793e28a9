/// One iterative look-up: which peer to ask next (Kademlia §2.3), on one path or on several that
/// share no peer (S/Kademlia §4.4).
///
/// Facts come in by past-tense methods, decisions go out by ``next()``; it knows neither messages
/// nor clocks. Who is late, suspended or lost is judged by ``Requests``, from measured times:
///
/// ```
///          asked          late          suspended               failed
///   fresh ------> waiting ------> raced ----------> suspended ---------> lost
///                    |              |                   |                  |
///                    +--------------+---- answered -----+------------------+
/// ```
///
/// A doubted peer, of whom others say that it died, is asked as soon as it is among the k nearest, and
/// not waited for: it counts neither against the parallelism nor among the k unless it answers.
///
/// A raced peer counts neither against the parallelism nor among the k, so that another is asked in
/// its place. How long it is waited for is ``Patience``. A suspended one is "removed from consideration until and unless it responds" (§2.3);
/// it is waited for only while nobody answered at all. As in the paper, once answers bring nothing
/// nearer, the k nearest that were not asked yet are asked at once.
///
/// Answers are hostile: the candidates are bounded, as are those of one network and the number of
/// peers asked; a contact that is farther than the one who named it counts only among the k
/// nearest.

import AROPrimitives

struct Lookup: Sendable {
    enum Step: Hashable, Sendable { case ask(PeerHandle), wait, finished }

    enum State: UInt8, Sendable { case fresh, doubted, waiting, raced, suspended, lost, answered }

    /// A peer that is known before the look-up begins.
    struct Start: Sendable {
        var peer: PeerHandle
        var roundTrip = RoundTripClass.unmeasured
        var isDoubted = false
    }

    /// What a look-up does about raced peers among the k nearest.
    enum Patience: Sendable {
        /// It waits until they are suspended: the k nearest are what is asked for.
        case full
        /// It waits only while fewer than k others have answered. A placement stores at late peers as
        /// well, and replaces them where they stay silent.
        case untilEnough
        /// Providers were found. What is left to find stands at most of the k nearest, so once half of
        /// them have answered, nobody late is waited for or replaced.
        case untilHalf
    }

    struct Candidate: Sendable {
        var distance: Bits256
        /// The capped network, or 0.
        var network: UInt64
        var handle: PeerHandle
        var roundTrip: RoundTripClass
        var state: State
        /// The paths that were told of it, one bit each.
        var paths: UInt8
        /// The path that asked it.
        var asker: UInt8
        /// How many peers stand between us and it: 1 for our own contacts.
        var hops: UInt8

        /// It is not counted on.
        var isOut: Bool { state == .doubted || state == .suspended || state == .lost }
        var wasAsked: Bool { state != .fresh && state != .doubted }
    }

    let target: DHTKey
    private let k, width, pathCount, askedMax, candidatesMax, perNetworkMax: Int
    /// Sorted by distance.
    private(set) var candidates: [Candidate] = []
    private(set) var asked = 0
    private(set) var answers = 0
    /// Answers in a row, per path, that brought nothing nearer.
    private var idle: [UInt8]
    private var turn = 0
    private var stopped = false
    var patience = Patience.full

    /// Whether a peer that was asked has not answered in time.
    var hasLostPeers: Bool { candidates.contains { $0.isOut && $0.wasAsked } }

    /// - Parameter start: our own contacts nearest to the target.
    init(
        target: DHTKey, paths: Int, start: [Start], _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) {
        precondition((1...8).contains(paths))
        self.target = target
        k = configuration.k
        pathCount = paths
        width = paths == 1 ? configuration.alpha : configuration.pathWidth
        askedMax = configuration.lookupAskedMax
        candidatesMax = configuration.lookupCandidatesMax
        perNetworkMax = configuration.lookupPerNetworkMax
        idle = Array(repeating: 0, count: paths)
        for (i, start) in start.enumerated() {
            insert(
                Candidate(
                    distance: target.distance(to: book.key(start.peer)),
                    network: cappedNetwork(of: start.peer, configuration, book) ?? 0,
                    handle: start.peer, roundTrip: start.roundTrip,
                    state: start.isDoubted ? .doubted : .fresh, paths: 1 << UInt8(i % paths),
                    asker: 0, hops: 1))
        }
    }

    // MARK: Decisions

    mutating func next() -> Step {
        guard !stopped else { return .finished }
        var waits = false
        for offset in 0..<pathCount {
            let path = (turn + offset) % pathCount
            let view = look(along: path)
            if let position = view.ask {
                turn = path + 1
                return ask(position, path)
            }
            waits = waits || view.waits
        }
        return waits || mayStillBegin ? .wait : .finished
    }

    /// Nobody has answered yet, but somebody may: all paths became slower than they were.
    private var mayStillBegin: Bool {
        answers == 0 && candidates.contains { $0.state == .suspended }
    }

    private mutating func ask(_ position: Int, _ path: Int) -> Step {
        // Nobody waits for a suspended one.
        candidates[position].state =
            candidates[position].state == .doubted ? .suspended : .waiting
        candidates[position].asker = UInt8(path)
        asked += 1
        return .ask(candidates[position].handle)
    }

    /// Walks the k nearest candidates of a path that are not out: whom to ask, and whether an
    /// answer is still waited for.
    private func look(along path: Int) -> (ask: Int?, waits: Bool) {
        let bit = UInt8(1) << UInt8(path)
        let parallel = Int(idle[path]) >= width ? k : width
        let isImpatient = isImpatient(bit)
        var considered = 0
        var answered = 0
        var waiting = 0
        var awaited = 0
        var raced = 0
        var best: Int?
        var doubted: Int?
        for (i, candidate) in candidates.enumerated() where candidate.paths & bit != 0 {
            guard considered < k else { break }
            switch candidate.state {
            case .suspended, .lost: continue
            case .doubted:
                doubted = doubted ?? i
                continue
            case .raced where isImpatient: break
            case .raced:
                raced += 1
                continue
            case .answered: answered += 1
            case .waiting:
                awaited += 1
                if candidate.asker == path { waiting += 1 }
            case .fresh: if isBetter(i, than: best) { best = i }
            }
            considered += 1
        }
        if waiting >= parallel { best = nil }
        if let doubted { best = doubted }
        if asked >= askedMax { best = nil }
        let waitsForRaced = raced > 0 && !(patience == .untilEnough && answered >= k)
        return (best, awaited > 0 || waitsForRaced)
    }

    /// Whether half of the k nearest of a path have answered, where that is enough.
    private func isImpatient(_ bit: UInt8) -> Bool {
        guard patience == .untilHalf else { return false }
        var (answered, considered) = (0, 0)
        for candidate in candidates where candidate.paths & bit != 0 && !candidate.isOut {
            guard considered < k else { break }
            considered += 1
            if candidate.state == .answered { answered += 1 }
        }
        return 2 * answered >= considered
    }

    /// The nearest goes first; among those that share as many bits with the target, the fastest.
    private func isBetter(_ i: Int, than best: Int?) -> Bool {
        guard let best else { return true }
        let a = candidates[i]
        let b = candidates[best]
        return a.distance.leadingZeroBitCount == b.distance.leadingZeroBitCount
            && a.roundTrip.preference < b.roundTrip.preference
    }

    /// Ends the look-up: enough was found.
    mutating func stop() { stopped = true }

    // MARK: Facts

    /// The peer did not answer in the time that was to be expected.
    mutating func late(_ handle: PeerHandle) { change(handle, from: .waiting, to: .raced) }

    /// The peer did not answer to the last transmission in time either.
    mutating func suspended(_ handle: PeerHandle) {
        change(handle, from: .waiting, to: .suspended)
        change(handle, from: .raced, to: .suspended)
    }

    /// Others say that the peer died: it is not waited for. Returns whether it was.
    mutating func doubted(_ handle: PeerHandle) -> Bool {
        guard let i = candidates.firstIndex(where: { $0.handle == handle }),
            candidates[i].distance != .zero
        else { return false }
        switch candidates[i].state {
        case .fresh: candidates[i].state = .doubted
        case .waiting, .raced: candidates[i].state = .suspended
        case .doubted, .suspended, .lost, .answered: return false
        }
        return true
    }

    /// The peer cannot be reached, or its answer is not awaited any longer.
    mutating func failed(_ handle: PeerHandle) {
        suspended(handle)
        change(handle, from: .suspended, to: .lost)
    }

    private mutating func change(_ handle: PeerHandle, from old: State, to new: State) {
        guard let i = candidates.firstIndex(where: { $0.handle == handle }),
            candidates[i].state == old
        else { return }
        candidates[i].state = new
    }

    /// An answer is about to be read. Nil if the peer was not asked here or has answered before.
    mutating func answered(_ handle: PeerHandle) -> Reading? {
        guard let i = candidates.firstIndex(where: { $0.handle == handle }),
            candidates[i].wasAsked, candidates[i].state != .answered
        else { return nil }
        candidates[i].state = .answered
        answers += 1
        let candidate = candidates[i]
        return Reading(
            distance: candidate.distance, path: candidate.asker, hops: candidate.hops &+ 1,
            nearest: nearest(on: candidate.asker))
    }

    /// What is known of the answer that is being read.
    struct Reading: Sendable {
        fileprivate let distance: Bits256
        fileprivate let path: UInt8
        fileprivate let hops: UInt8
        /// The nearest candidate of the path before the answer.
        fileprivate let nearest: Bits256
    }

    /// Whether a contact with this key is wanted: asked before it costs a place in the peer book.
    func admits(_ key: DHTKey, network: UInt64, from reading: Reading) -> Bool {
        let distance = target.distance(to: key)
        let at = position(of: distance)
        if at < candidates.count, candidates[at].distance == distance { return true }
        if distance >= reading.distance, at >= k { return false }
        if candidates.count >= candidatesMax {
            guard let far = dispensable, at <= far else { return false }
        }
        guard network != 0 else { return true }
        var same = 0
        for i in candidates.indices where candidates[i].network == network { same += 1 }
        return same < perNetworkMax
    }

    /// Adds a contact that ``admits(_:network:from:)`` let in.
    mutating func named(
        _ handle: PeerHandle, key: DHTKey, network: UInt64, roundTrip: RoundTripClass,
        isDoubted: Bool = false, by reading: Reading
    ) {
        insert(
            Candidate(
                distance: target.distance(to: key), network: network, handle: handle,
                roundTrip: roundTrip, state: isDoubted ? .doubted : .fresh,
                paths: 1 << reading.path, asker: 0,
                hops: reading.hops))
    }

    /// The whole answer was read.
    mutating func finished(_ reading: Reading) {
        let path = Int(reading.path)
        idle[path] = nearest(on: reading.path) < reading.nearest ? 0 : min(idle[path] + 1, 100)
    }

    // MARK: Results

    /// The nearest peers that answered, nearest first.
    func closest(_ count: Int) -> [PeerHandle] {
        candidates.lazy.filter { $0.state == .answered }.prefix(count).map(\.handle)
    }

    /// The peers to store at: the k nearest that answered or are late, or as many of them as have
    /// answered at all; and the nearest of the others that may live, to replace those that fail.
    func holders() -> (nearest: [PeerHandle], spares: [PeerHandle]) {
        let count = min(k, answers)
        var nearest: [PeerHandle] = []
        var spares: [PeerHandle] = []
        for candidate in candidates where !candidate.isOut && candidate.state != .waiting {
            if candidate.state != .fresh, nearest.count < count {
                nearest.append(candidate.handle)
            } else if spares.count < k {
                spares.append(candidate.handle)
            }
        }
        return (nearest, spares)
    }

    /// How many peers were asked in a row to come upon the nearest one that answered.
    var hops: Int {
        candidates.first { $0.state == .answered }.map { Int($0.hops) } ?? 0
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for candidate in candidates { body(candidate.handle) }
    }

    // MARK: Details

    private func nearest(on path: UInt8) -> Bits256 {
        let bit = UInt8(1) << path
        return candidates.first { $0.paths & bit != 0 && !$0.isOut }?.distance
            ?? Bits256(.max, .max, .max, .max)
    }

    /// Where a candidate at this distance stands or would stand.
    private func position(of distance: Bits256) -> Int {
        var low = 0
        var high = candidates.count
        while low < high {
            let middle = (low + high) / 2
            if candidates[middle].distance < distance { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func insert(_ candidate: Candidate) {
        let at = position(of: candidate.distance)
        if at < candidates.count, candidates[at].distance == candidate.distance {
            candidates[at].paths |= candidate.paths
            return
        }
        var place = at
        if candidates.count >= candidatesMax {
            let far = dispensable ?? candidates.count - 1
            candidates.remove(at: far)
            if far < place { place -= 1 }
        }
        candidates.insert(candidate, at: place)
    }

    /// The farthest candidate that no answer is awaited from: it goes where a nearer one comes, be it
    /// that it was asked long ago, at the first hops.
    private var dispensable: Int? {
        candidates.lastIndex { $0.state != .waiting && $0.state != .raced }
    }
}
