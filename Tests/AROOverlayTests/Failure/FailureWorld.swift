import AROCrypto
import AROPrimitives
import AROWire

@testable import AROOverlay

/// Detectors that watch each other over a random regular graph, in virtual time.
final class FailureWorld {
    struct Member {
        var detector: FailureDetector
        var neighbours: [Int] = []
        var isDead = false
        /// While it is stopped: what arrives waits, and no timer fires.
        var stopped = false
        var inbox: [(from: Int, bytes: [UInt8])] = []
        /// While its input and output are stuck; timers fire.
        var blocked = false
        var held: [(to: PeerHandle, bytes: [UInt8])] = []
        var wake: Instant?
        var sent = 0
        /// Deadlines that were due when they were met.
        var deadlines = 0
        /// Acknowledgements that the transport would have sent: one for each ack.
        var transportAcks = 0
    }

    struct Verdict {
        var by: Int
        var of: Int
        var at: Instant
        var incarnation: UInt64
    }

    private enum Event {
        case message(from: Int, to: Int, [UInt8])
        case wake(Int)
        case stop(Int)
        case go(Int)
        case block(Int)
        case unblock(Int)
    }

    var members: [Member] = []
    var book = PeerBook()
    var now = Instant.origin
    /// Per cent of messages that are lost.
    var loss = 0
    var generator: Generator
    /// One-way delay of a pair; symmetric.
    var delay: (Int, Int) -> Duration = { a, b in
        .milliseconds(Int64(5 + (a * 31 + b * 31 + a * b) % 45))
    }
    /// Messages from the first to the second are dropped.
    var isCut: (Int, Int) -> Bool = { _, _ in false }

    var verdicts: [Verdict] = []
    var losses: [(by: Int, of: Int)] = []
    var orphans: [(by: Int, of: Int)] = []
    var suspicions: [(by: Int, of: Int)] = []
    var cleared = 0
    var selfSuspicions: [(Int, UInt64)] = []
    var roundTrips: [(by: Int, of: Int, Duration)] = []
    /// Lists of neighbours that were read, and those of them that left out the reader.
    var lists = 0
    var denials = 0
    var largestMessage = 0
    /// What pings and acks told, by whom and to whom.
    var told: [(by: Int, to: Int, Vitals)] = []

    private var queue = LinkQueue<Event>()
    private var outbox = FailureOutbox()

    init(
        count: Int, degree: Int = 5, seed: UInt64,
        configuration: FailureConfiguration = FailureConfiguration()
    ) {
        generator = Generator(seed: seed)
        for i in 0..<count {
            let id = PeerID(key: generator.bits256())
            let handle = book.intern(id)
            book.suggest(
                [SocketAddress(ipv4: 0xc633_0000 + UInt32(i), port: 4001)], for: handle)
            let detector = FailureDetector(
                configuration: configuration, local: id,
                generator: generator.fork("failure detector"))
            members.append(Member(detector: detector))
        }
        connect(degree: degree)
    }

    func handle(_ i: Int) -> PeerHandle { PeerHandle(index: UInt32(i)) }
    func id(_ i: Int) -> PeerID { book.id(handle(i)) }

    /// As many links of each as possible, at random.
    private func connect(degree: Int) {
        var open: [Int] = []
        for i in members.indices { open += Array(repeating: i, count: degree) }
        generator.shuffle(&open)
        var misses = 0
        while open.count > 1, misses < 200 {
            let a = open[open.count - 1]
            let j = generator.below(open.count - 1)
            let b = open[j]
            guard a != b, !members[a].neighbours.contains(b) else {
                misses += 1
                generator.shuffle(&open)
                continue
            }
            open.removeLast()
            open.remove(at: j)
            members[a].neighbours.append(b)
            members[b].neighbours.append(a)
        }
        for i in members.indices {
            members[i].detector.vitals = OwnVitals(
                incarnation: UInt64(i) + 1, coordinate: .origin,
                neighbours: members[i].neighbours.map(handle))
            for n in members[i].neighbours { members[i].detector.watch(handle(n), at: now) }
            schedule(i)
        }
    }

    // MARK: What happens to members

    func kill(_ i: Int) { members[i].isDead = true }

    func stop(_ i: Int, for time: Duration) {
        stop(i)
        queue.insert(at: now + time, .go(i))
    }

    func stop(_ i: Int) { members[i].stopped = true }

    func stop(_ i: Int, at moment: Instant, for time: Duration) {
        queue.insert(at: moment, .stop(i))
        queue.insert(at: moment + time, .go(i))
    }

    /// Messages to and from it are stuck for a while.
    func block(_ i: Int, at moment: Instant, for time: Duration) {
        queue.insert(at: moment, .block(i))
        queue.insert(at: moment + time, .unblock(i))
    }

    private func unblock(_ i: Int) {
        members[i].blocked = false
        let (inbox, held) = (members[i].inbox, members[i].held)
        (members[i].inbox, members[i].held) = ([], [])
        for message in held { transmit(message.bytes, from: i, to: message.to) }
        for message in inbox { receive(message.bytes, from: message.from, to: i) }
    }

    /// What a process finds when it runs again: its timers are late, its socket is full.
    func go(_ i: Int) {
        members[i].stopped = false
        let inbox = members[i].inbox
        members[i].inbox.removeAll()
        if let deadline = members[i].detector.nextDeadline, deadline <= now { wakeUp(i) }
        for message in inbox { receive(message.bytes, from: message.from, to: i) }
        schedule(i)
    }

    /// Hands a member bytes as if `from` had sent them.
    func inject(_ message: ProbeMessage, from: Int, to: Int) {
        receive(message.bytes, from: from, to: to)
    }

    func inject(_ bytes: [UInt8], from: Int, to: Int) { receive(bytes, from: from, to: to) }

    func act(
        _ i: Int, _ body: (inout FailureDetector, inout PeerBook, inout FailureOutbox) -> Void
    ) {
        body(&members[i].detector, &book, &outbox)
        drain(i)
    }

    // MARK: Running

    func run(for time: Duration) { run(until: now + time) }

    func run(until end: Instant) {
        while let at = queue.nextTime, at <= end {
            now = max(now, at)
            deliver(queue.removeFirst())
        }
        now = max(now, end)
    }

    private func deliver(_ event: Event) {
        switch event {
        case .message(let from, let to, let bytes):
            guard !members[to].isDead else { return }
            if members[to].stopped || members[to].blocked {
                if members[to].inbox.count < 500 { members[to].inbox.append((from, bytes)) }
            } else {
                receive(bytes, from: from, to: to)
            }
        case .wake(let i):
            guard members[i].wake == now else { return }
            members[i].wake = nil
            guard !members[i].isDead, !members[i].stopped else { return }
            wakeUp(i)
        case .stop(let i): stop(i)
        case .block(let i): members[i].blocked = true
        case .unblock(let i): if !members[i].isDead { unblock(i) }
        case .go(let i): if members[i].stopped, !members[i].isDead { go(i) }
        }
    }

    private func wakeUp(_ i: Int) {
        if let at = members[i].detector.nextDeadline, at <= now { members[i].deadlines += 1 }
        act(i) { detector, book, out in
            detector.deadlinePassed(at: self.now, book: &book, into: &out)
        }
    }

    private func receive(_ bytes: [UInt8], from: Int, to: Int) {
        if bytes.first == 0x29 { members[to].transportAcks += 1 }
        act(to) { detector, book, out in
            detector.received(
                bytes.span.bytes, from: self.handle(from), at: self.now, book: &book, into: &out)
        }
    }

    private func drain(_ i: Int) {
        for send in outbox.sends {
            let bytes = Array(outbox.bytes[send.range])
            largestMessage = max(largestMessage, bytes.count)
            members[i].sent += 1
            switch try? ProbeMessage(decoding: bytes.span.bytes) {
            case .ping(let ping): told.append((i, Int(send.peer.index), ping.vitals))
            case .ack(let ack): told.append((i, Int(send.peer.index), ack.vitals))
            default: break
            }
            if members[i].blocked {
                members[i].held.append((send.peer, bytes))
            } else {
                transmit(bytes, from: i, to: send.peer)
            }
        }
        for event in outbox.events { take(event, by: i) }
        outbox.removeAll()
        schedule(i)
    }

    private func transmit(_ bytes: [UInt8], from i: Int, to peer: PeerHandle) {
        let to = Int(peer.index)
        guard to < members.count, !isCut(i, to), !generator.chance(loss, in: 100) else { return }
        queue.insert(at: now + delay(min(i, to), max(i, to)), .message(from: i, to: to, bytes))
    }

    private func take(_ event: FailureEvent, by i: Int) {
        switch event {
        case .suspected(let peer): suspicions.append((i, Int(peer.index)))
        case .cleared: cleared += 1
        case .failed(let peer, let incarnation):
            verdicts.append(
                Verdict(by: i, of: Int(peer.index), at: now, incarnation: incarnation))
        case .orphaned(let peer): orphans.append((i, Int(peer.index)))
        case .lost(let peer): losses.append((i, Int(peer.index)))
        case .suspectedSelf(let incarnation): selfSuspicions.append((i, incarnation))
        case .roundTrip(let peer, let time, _): roundTrips.append((i, Int(peer.index), time))
        case .neighbours(_, let includeUs):
            lists += 1
            if !includeUs { denials += 1 }
        }
    }

    private func schedule(_ i: Int) {
        guard !members[i].isDead, let deadline = members[i].detector.nextDeadline else { return }
        let at = max(deadline, now)
        if let wake = members[i].wake, wake <= at { return }
        members[i].wake = at
        queue.insert(at: at, .wake(i))
    }
}
