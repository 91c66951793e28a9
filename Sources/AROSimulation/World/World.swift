/// The simulated world: inhabitants, links between them, virtual time, one seed.
///
/// It turns the crank that the UDP runtime turns (one input, drain the outbox, the next), but takes
/// time from an agenda of events and sends datagrams through ``NetworkModel``. Single-threaded and
/// deterministic: everything that happens follows from the seed and the calls made, and is folded
/// into ``trace``. ``advance(to:)`` runs until something happens that concerns the one who drives
/// the world: a reply, or a moment that he asked for.

import AROContent
import AROCrypto
import AROInference
import ARONode
import AROPrimitives

/// What ``World/advance(to:)`` stops for.
public enum Happening: Sendable {
    /// A node answers a request.
    case reply(node: Int, RequestID, Reply)
    /// The moment of ``World/schedule(_:at:)``.
    case alarm(UInt64)
}

/// What a world did so far.
public struct WorldCounters: Hashable, Sendable {
    /// Inputs handed to inhabitants.
    public var events: UInt64 = 0
    public var datagramsSent: UInt64 = 0
    public var datagramsDelivered: UInt64 = 0
    /// UDP payload.
    public var bytesSent: UInt64 = 0
    public var bytesDelivered: UInt64 = 0
    public var timersFired: UInt64 = 0
}

/// What one node sent and received, UDP payload.
public struct Traffic: Hashable, Sendable {
    public var datagramsIn: UInt64 = 0
    public var datagramsOut: UInt64 = 0
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
}

public struct World<Resident: Inhabitant & ~Copyable>: ~Copyable {
    public internal(set) var now = Instant.origin
    public internal(set) var trace = TraceHash()
    public internal(set) var counters = WorldCounters()
    var checkpoints = Checkpoints()
    /// Where every event is noted, for who plays a run again; nil for most.
    public var log: EventLog?
    public let seeds: Seeds

    var network: Network
    var disks: SimulatedDisks
    var models: SimulatedModels
    var places: [Place] = []
    var seats: [Seat<Resident>] = []
    var addressing = Addressing()
    var translators = Translators()
    var clocks = LocalClocks()
    var hostiles: HostileNodes
    /// Of nodes whose identity does not follow from their number. Asked, never iterated.
    var identities: [Int: Bits256] = [:]
    var agenda = EventQueue<Event>()
    var pool = BytePool()
    var outbox = Outbox()
    var diskReplies = Parking<DiskReply>()
    var parcels = Parking<Parcel>()
    var happenings: [Happening] = []
    private var happeningsTaken = 0
    private var nextRequest: UInt64 = 1
    let birth: (Birth) -> Resident

    /// The time of day at the origin: 2026-01-01T00:00:00Z.
    public static var epoch: UnixTime { UnixTime(seconds: 1_767_225_600) }
    /// How often a node is told the time of day.
    private static var wallClockPeriod: Duration { .seconds(60) }

    /// - Parameter birth: makes an inhabitant; called again, with the same identity, on restart.
    public init(
        seed: UInt64, network: NetworkModel = NetworkModel(), disk: DiskModel = DiskModel(),
        birth: @escaping (Birth) -> Resident
    ) {
        seeds = Seeds(seed)
        self.network = Network(model: network, seeds: seeds)
        disks = SimulatedDisks(model: disk, seeds: seeds)
        models = SimulatedModels(seeds: seeds)
        hostiles = HostileNodes(seeds: seeds)
        self.birth = birth
    }

    deinit {
        for seat in seats {
            seat.resident?.deinitialize(count: 1)
            seat.resident?.deallocate()
        }
    }

    // MARK: Running

    /// Runs until something happens or `limit` is reached; then ``now`` is `limit` and the answer
    /// is nil. What happens at `limit` itself is included.
    public mutating func advance(to limit: Instant) -> Happening? {
        while true {
            // Asked here, as an answer that is none is hundreds of bytes, too.
            if happeningsTaken < happenings.count { return nextHappening() }
            guard let (time, event) = agenda.pop(until: limit.nanoseconds) else { break }
            now = Instant(nanoseconds: time)
            prefetch()
            process(event)
        }
        if limit > now { now = limit }
        return nil
    }

    /// When the next event is due; nil where nothing will ever happen.
    public var nextEventTime: Instant? { agenda.nextTime.map(Instant.init(nanoseconds:)) }

    /// Asks for an ``Happening/alarm(_:)`` with this number. Alarms leave no mark in the trace, so
    /// that looking at a run does not change it.
    public mutating func schedule(_ alarm: UInt64, at time: Instant) {
        agenda.push(Event(.alarm, node: 0, epoch: 0, word: alarm), at: time.nanoseconds)
    }

    private mutating func nextHappening() -> Happening {
        happeningsTaken += 1
        let happening = happenings[happeningsTaken - 1]
        if happeningsTaken == happenings.count {
            happenings.removeAll(keepingCapacity: true)
            happeningsTaken = 0
        }
        return happening
    }

    private mutating func process(_ event: Event) {
        let node = Int(event.node)
        switch event.kind {
        case .timer: timerDue(node, at: event.word)
        case .downlink: reachedDownlink(event)
        case .datagram: arrived(event)
        case .processed:
            network.endProcessing(node, byteCount: event.count)
            arrived(event, isProcessed: true)
        case .parcel: parcelArrived(event)
        case .parcelAgain: parcelDueAgain(event)
        case .disk: diskAnswered(event)
        case .model: modelDue(event)
        case .wallClock: wallClockDue(event)
        case .alarm: happenings.append(.alarm(event.word))
        }
    }

    /// Folds an event into the trace.
    mutating func record(_ kind: TraceKind, _ node: Int, _ detail: UInt64) {
        if counters.events == checkpoints.next {
            checkpoints.note(counters.events, now - .origin, trace)
        }
        counters.events += 1
        log?.happened(counters.events, kind, node, detail, at: now, trace)
        trace.fold(UInt64(now.nanoseconds))
        trace.fold(UInt64(kind.rawValue) << 32 | UInt64(node))
        trace.fold(detail)
    }

    // MARK: Inputs

    /// Asks something of a node; the answers come out of ``advance(to:)``.
    public mutating func request(_ request: Request, of node: Int) -> RequestID {
        let id = RequestID(number: nextRequest)
        nextRequest += 1
        precondition(isRunning(node), "node \(node) is not running")
        record(.request, node, id.number)
        handle(.request(request, id), node)
        return id
    }

    public mutating func cancel(_ id: RequestID, of node: Int) {
        guard isRunning(node) else { return }
        record(.cancel, node, id.number)
        handle(.cancel(id), node)
    }

    /// Puts a datagram on a node's doorstep that no node sent: forged, replayed or random.
    public mutating func inject(_ bytes: [UInt8], from source: SocketAddress, to node: Int) {
        bytes.withUnsafeBytes { bytes in
            agenda.push(
                Event(
                    .datagram, node: UInt32(node), epoch: places[node].addressEpoch,
                    bytes: pool.copy(bytes), count: bytes.count, from: source),
                at: now.nanoseconds)
        }
    }

    mutating func handle(_ input: borrowing Input, _ node: Int) {
        guard let resident = seats[node].resident else { return }
        resident.pointee.handle(input, at: clocks.time(of: node, at: now), into: &outbox)
        settle(node, resident)
    }

    /// Does what a node wants done after an input.
    private mutating func settle(_ node: Int, _ resident: UnsafeMutablePointer<Resident>) {
        resident.pointee.flush(at: clocks.time(of: node, at: now), into: &outbox)
        drain(node)
        while let parcel = resident.pointee.takeParcel() { send(parcel, from: node) }
        arm(node, resident.pointee.nextDeadline?.at)
    }

    /// Whether the NAT before a node lets a datagram in; what waited inside has passed it.
    private mutating func isLetIn(_ event: Event) -> Bool {
        let node = Int(event.node)
        guard translators.contains(node), event.word != Event.inside else { return true }
        let port = UInt16(truncatingIfNeeded: event.word)
        if translators.admits(event.from, to: node, port: port, at: now) { return true }
        network.countFiltered()
        return false
    }

    private mutating func arrived(_ event: Event, isProcessed: Bool = false) {
        let node = Int(event.node)
        let bytes = UnsafeRawBufferPointer(start: event.bytes, count: event.count)
        guard seats[node].resident != nil, places[node].addressEpoch == event.epoch else {
            network.countNobodyThere()
            pool.free(event.bytes!, count: event.count)
            return
        }
        guard isProcessed || isLetIn(event) else {
            return pool.free(event.bytes!, count: event.count)
        }
        if places[node].isPaused { return hold(event) }
        if !isProcessed, let processing = network.model.processing {
            return wait(event, for: processing)
        }
        if let log, let bytes = event.bytes { log.arrived(.bytes(UInt(bitPattern: bytes))) }
        record(.datagram, node, UInt64(event.count))
        trace.fold(bytes)
        let wire = UInt64(Resident.wireByteCount(of: bytes.bytes))
        counters.datagramsDelivered += 1
        counters.bytesDelivered += wire
        places[node].traffic.datagramsIn += 1
        places[node].traffic.bytesIn += wire
        handle(.datagram(bytes.bytes, from: event.from), node)
        pool.free(event.bytes!, count: event.count)
    }

    /// Queues a datagram for the processor of its node.
    private mutating func wait(_ event: Event, for processing: Processing) {
        let bytes = UnsafeRawBufferPointer(start: event.bytes, count: event.count)
        let done = network.beginProcessing(
            Int(event.node), processing, isHandshake: Resident.isHandshake(bytes.bytes),
            byteCount: event.count, at: now)
        guard let done else { return pool.free(event.bytes!, count: event.count) }
        var event = event
        event.kind = .processed
        agenda.push(event, at: done.nanoseconds)
    }

    private mutating func reachedDownlink(_ event: Event) {
        let bytes = UnsafeRawBufferPointer(start: event.bytes, count: event.count)
        let size =
            Resident.wireByteCount(of: bytes.bytes) + NetworkModel.headerByteCount(to: event.from)
        guard let out = network.passDown(Int(event.node), byteCount: size, at: now) else {
            pool.free(event.bytes!, count: event.count)
            return
        }
        var event = event
        event.kind = .datagram
        agenda.push(event, at: out.nanoseconds)
    }

    private mutating func parcelArrived(_ event: Event) {
        let node = Int(event.node)
        guard let resident = seats[node].resident, places[node].addressEpoch == event.epoch else {
            _ = parcels.take(event.word)
            return network.countNobodyThere()
        }
        if places[node].isPaused { return hold(event) }
        let parcel = parcels.take(event.word)
        log?.arrived(.parcel(event.word))
        record(.parcel, node, UInt64(parcel.bytes.count))
        parcel.bytes.withUnsafeBytes { trace.fold($0) }
        counters.datagramsDelivered += UInt64(parcel.packetCount)
        counters.bytesDelivered += UInt64(parcel.wireByteCount)
        places[node].traffic.datagramsIn += UInt64(parcel.packetCount)
        places[node].traffic.bytesIn += UInt64(parcel.wireByteCount)
        let time = clocks.time(of: node, at: now)
        resident.pointee.handle(parcel, from: event.from, at: time, into: &outbox)
        settle(node, resident)
    }

    private mutating func diskAnswered(_ event: Event) {
        let node = Int(event.node)
        guard places[node].epoch == event.epoch else {
            _ = diskReplies.take(event.word)
            return
        }
        if places[node].isPaused { return hold(event) }
        let reply = diskReplies.take(event.word)
        log?.arrived(.disk(event.word))
        record(.disk, node, reply.traceWord)
        handle(.disk(reply), node)
    }

    private mutating func wallClockDue(_ event: Event) {
        let node = Int(event.node)
        guard places[node].epoch == event.epoch else { return }
        agenda.push(event, at: (now + Self.wallClockPeriod).nanoseconds)
        if places[node].isPaused { return }
        let shown = wallClock(of: node)
        record(.wallClock, node, UInt64(shown.seconds))
        handle(.wallClock(shown), node)
    }

    /// The time of day as a node's clock shows it.
    func wallClock(of node: Int) -> UnixTime {
        Self.epoch + (clocks.time(of: node, at: now) - .origin) + clocks.offset(of: node)
    }

    /// The time of day in the world.
    public var wallClock: UnixTime { Self.epoch + (now - .origin) }

    // MARK: Timers

    /// One armed timer per node: set again only when the deadline moves to an earlier time or the
    /// timer fires. A timer that fires early finds the deadline moved and is set again.
    ///
    /// - Parameter isAgain: it fired early, so that what armed it first stays its cause.
    private mutating func arm(_ node: Int, _ deadline: Instant?, isAgain: Bool = false) {
        guard let deadline, deadline < .distantFuture else {
            seats[node].wakesAt = .origin
            return
        }
        let time = max(clocks.moment(of: deadline, on: node), now)
        seats[node].wakesAt = time
        guard time < seats[node].armedAt else { return }
        if !isAgain { log?.armed(node) }
        setTimer(of: node, to: time)
    }

    private mutating func setTimer(of node: Int, to time: Instant) {
        seats[node].armedAt = time
        let event = Event(
            .timer, node: UInt32(node), epoch: 0, word: UInt64(time.nanoseconds))
        agenda.push(event, at: time.nanoseconds)
    }

    private mutating func timerDue(_ node: Int, at time: UInt64) {
        guard seats[node].armedAt.nanoseconds == time else { return }
        seats[node].armedAt = .distantFuture
        // Too early, which is known without a look at the node.
        if seats[node].wakesAt > now { return setTimer(of: node, to: seats[node].wakesAt) }
        guard let resident = seats[node].resident, !places[node].isPaused else { return }
        let deadline = resident.pointee.nextDeadline?.at
        guard let deadline, deadline <= clocks.time(of: node, at: now) else {
            return arm(node, deadline, isAgain: true)
        }
        countSpin(node)
        counters.timersFired += 1
        record(.timer, node, 0)
        handle(.deadline, node)
    }

    /// A node whose deadline stays in the past would stop time. That is a bug of the node.
    private mutating func countSpin(_ node: Int) {
        if places[node].lastTimer != now {
            places[node].lastTimer = now
            places[node].spins = 0
        }
        places[node].spins += 1
        precondition(
            places[node].spins < 10_000,
            "node \(node) asked for 10,000 deadlines at \(now.nanoseconds) ns: "
                + "\(String(describing: seats[node].resident?.pointee.nextDeadline))")
    }

    // MARK: Pausing

    /// Datagrams for a paused node wait in its socket's buffer; disk answers wait without bound, as
    /// they are answers to its own questions.
    mutating func hold(_ event: Event) {
        let node = Int(event.node)
        var event = event
        if event.kind == .datagram || event.kind == .processed {
            event.kind = .datagram
            event.word = Event.inside
            guard places[node].heldByteCount + event.count <= Place.socketBufferMax else {
                pool.free(event.bytes!, count: event.count)
                return
            }
            places[node].heldByteCount += event.count
        }
        places[node].held.append(event)
    }

    /// Puts what waited for a paused node back onto the agenda, now.
    mutating func release(_ node: Int) {
        for event in places[node].held { agenda.push(event, at: now.nanoseconds) }
        places[node].held.removeAll()
        places[node].heldByteCount = 0
        arm(node, seats[node].resident?.pointee.nextDeadline?.at)
    }

    /// Drops what waited for a node that is no more.
    mutating func dropHeld(_ node: Int) {
        for event in places[node].held {
            switch event.kind {
            case .disk: _ = diskReplies.take(event.word)
            case .parcel: _ = parcels.take(event.word)
            case .model: break
            default: pool.free(event.bytes!, count: event.count)
            }
        }
        places[node].held.removeAll()
        places[node].heldByteCount = 0
    }

    mutating func startWallClock(_ node: Int) {
        log?.started()
        let event = Event(.wallClock, node: UInt32(node), epoch: places[node].epoch, word: 0)
        agenda.push(event, at: (now + Self.wallClockPeriod).nanoseconds)
        handle(.wallClock(wallClock(of: node)), node)
    }
}
