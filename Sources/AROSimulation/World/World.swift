/// The simulated world: inhabitants, links between them, virtual time, one seed.
///
/// It turns the crank that the UDP runtime turns (one input, drain the outbox, the next), but takes
/// time from an agenda of events and sends datagrams through ``NetworkModel``. Single-threaded and
/// deterministic: everything that happens follows from the seed and the calls made, and is folded
/// into ``trace``. ``advance(to:)`` runs until something happens that concerns the one who drives
/// the world: a reply, or a moment that he asked for.

import AROContent
import AROCrypto
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
    var places: [Place<Resident>] = []
    var addressing = Addressing()
    var translators = Translators()
    var clocks = LocalClocks()
    var hostiles: HostileNodes
    /// Of nodes whose identity does not follow from their number. Asked, never iterated.
    var identities: [Int: Bits256] = [:]
    private var agenda = EventQueue<Event>()
    private var pool = BytePool()
    private var outbox = Outbox()
    private var diskReplies = Parking<DiskReply>()
    private var parcels = Parking<Parcel>()
    private var happenings: [Happening] = []
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
        hostiles = HostileNodes(seeds: seeds)
        self.birth = birth
    }

    deinit {
        for place in places {
            place.resident?.deinitialize(count: 1)
            place.resident?.deallocate()
        }
    }

    // MARK: Running

    /// Runs until something happens or `limit` is reached; then ``now`` is `limit` and the answer
    /// is nil. What happens at `limit` itself is included.
    public mutating func advance(to limit: Instant) -> Happening? {
        while true {
            if let happening = nextHappening() { return happening }
            guard let (time, event) = agenda.pop(until: limit.nanoseconds) else { break }
            now = Instant(nanoseconds: time)
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

    private mutating func nextHappening() -> Happening? {
        guard happeningsTaken < happenings.count else { return nil }
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
        case .parcel: parcelArrived(event)
        case .parcelAgain: parcelDueAgain(event)
        case .disk: diskAnswered(event)
        case .wallClock: wallClockDue(event)
        case .alarm: happenings.append(.alarm(event.word))
        }
    }

    /// Folds an event into the trace.
    private mutating func record(_ kind: TraceKind, _ node: Int, _ detail: UInt64) {
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
        guard let resident = places[node].resident else { return }
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

    private mutating func arrived(_ event: Event) {
        let node = Int(event.node)
        let bytes = UnsafeRawBufferPointer(start: event.bytes, count: event.count)
        guard places[node].resident != nil, places[node].addressEpoch == event.epoch else {
            network.countNobodyThere()
            pool.free(event.bytes!, count: event.count)
            return
        }
        guard isLetIn(event) else { return pool.free(event.bytes!, count: event.count) }
        if places[node].isPaused { return hold(event) }
        if let log, let bytes = event.bytes { log.arrived(.bytes(UInt(bitPattern: bytes))) }
        record(.datagram, node, UInt64(event.count))
        trace.fold(bytes)
        counters.datagramsDelivered += 1
        counters.bytesDelivered += UInt64(event.count)
        places[node].traffic.datagramsIn += 1
        places[node].traffic.bytesIn += UInt64(event.count)
        handle(.datagram(bytes.bytes, from: event.from), node)
        pool.free(event.bytes!, count: event.count)
    }

    private mutating func reachedDownlink(_ event: Event) {
        let size = event.count + NetworkModel.headerByteCount(to: event.from)
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
        guard let resident = places[node].resident, places[node].addressEpoch == event.epoch else {
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
    private mutating func arm(_ node: Int, _ deadline: Instant?) {
        guard let deadline, deadline < .distantFuture else { return }
        let time = max(clocks.moment(of: deadline, on: node), now)
        guard time < places[node].armedAt else { return }
        places[node].armedAt = time
        log?.armed(node)
        let event = Event(
            .timer, node: UInt32(node), epoch: 0, word: UInt64(time.nanoseconds))
        agenda.push(event, at: time.nanoseconds)
    }

    private mutating func timerDue(_ node: Int, at time: UInt64) {
        guard places[node].armedAt.nanoseconds == time else { return }
        places[node].armedAt = .distantFuture
        guard let resident = places[node].resident, !places[node].isPaused else { return }
        let deadline = resident.pointee.nextDeadline?.at
        guard let deadline, deadline <= clocks.time(of: node, at: now) else {
            return arm(node, deadline)
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
                + "\(String(describing: places[node].resident?.pointee.nextDeadline))")
    }

    // MARK: Effects

    private mutating func drain(_ node: Int) {
        if !outbox.packets.isEmpty { sendPackets(of: node) }
        for effect in outbox.effects {
            switch effect {
            case .reply(let id, let reply):
                log?.answered(node, id, reply)
                happenings.append(.reply(node: node, id, reply))
            case .disk(let request): serve(request, for: node)
            }
        }
        outbox.removeAll()
    }

    private mutating func sendPackets(of node: Int) {
        log?.sender = node
        for r in 0..<outbox.packets.runs.count {
            let run = outbox.packets.runs[r]
            var offset = run.start
            while offset < run.start + run.count {
                let count = min(run.segment, run.start + run.count - offset)
                send(offset..<offset + count, from: node, to: run.address)
                offset += count
            }
        }
    }

    /// Sends a datagram whose bytes lie in the outbox.
    private mutating func send(_ range: Range<Int>, from node: Int, to address: SocketAddress) {
        counters.datagramsSent += 1
        counters.bytesSent += UInt64(range.count)
        places[node].traffic.datagramsOut += 1
        places[node].traffic.bytesOut += UInt64(range.count)
        if let conduct = hostiles.conduct(of: node) {
            return sendBadly(range, conduct, from: node, to: address)
        }
        transmit(range, from: node, to: address, at: now)
    }

    /// Sends what is left of a hostile node's packet.
    private mutating func sendBadly(
        _ range: Range<Int>, _ conduct: Conduct, from node: Int, to address: SocketAddress
    ) {
        let time = now + conduct.delay
        if Resident.misbehavesItself { return transmit(range, from: node, to: address, at: time) }
        let packet = Array(outbox.packets.bytes[range])
        if case .goes(let bit) = hostiles.fate(of: packet, from: node) {
            transmit(range, from: node, to: address, at: time, damagedBit: bit)
        }
        guard let old = hostiles.replay(beside: packet, from: node, to: address),
            let receiver = receiver(at: old.to)
        else { return }
        let size = old.bytes.count + NetworkModel.headerByteCount(to: old.to)
        let passage = network.send(from: node, to: receiver, byteCount: size, at: time)
        guard let arrival = passage.arrival else { return }
        let source = outerAddress(of: node, to: old.to)
        let bytes = old.bytes.withUnsafeBytes { pool.copy($0) }
        post(
            bytes, count: old.bytes.count,
            Way(source: source, receiver: receiver, port: old.to.port), at: arrival)
    }

    private mutating func transmit(
        _ range: Range<Int>, from node: Int, to address: SocketAddress, at time: Instant,
        damagedBit: Int? = nil
    ) {
        let source = outerAddress(of: node, to: address)
        guard let receiver = receiver(at: address) else {
            network.countNobodyThere()
            return
        }
        let size = range.count + NetworkModel.headerByteCount(to: address)
        let passage = network.send(from: node, to: receiver, byteCount: size, at: time)
        guard let arrival = passage.arrival else { return }
        let way = Way(source: source, receiver: receiver, port: address.port)
        post(range, way, at: arrival, damagedBit: damagedBit ?? passage.damagedBit)
        if let copy = passage.copyArrival { post(range, way, at: copy, damagedBit: nil) }
    }

    /// From where a datagram of a node is seen to come.
    private mutating func outerAddress(of node: Int, to remote: SocketAddress) -> SocketAddress {
        var source = addressing.current[node]
        guard translators.contains(node) else { return source }
        let port = translators.port(of: node, to: remote, innerPort: source.port, at: now)
        if !Resident.sharesAddresses { source.port = port }
        return source
    }

    private func receiver(at address: SocketAddress) -> Int? {
        if let node = addressing.node(at: address) { return node }
        guard !translators.isEmpty, let node = addressing.host(at: address),
            translators.contains(node)
        else { return nil }
        return node
    }

    /// Sends what no loss keeps back.
    private mutating func send(_ parcel: Parcel, from node: Int) {
        counters.datagramsSent += UInt64(parcel.packetCount)
        counters.bytesSent += UInt64(parcel.wireByteCount)
        places[node].traffic.datagramsOut += UInt64(parcel.packetCount)
        places[node].traffic.bytesOut += UInt64(parcel.wireByteCount)
        let place = parcels.park(parcel)
        log?.sent(.parcel(place), by: node)
        forward(place, from: node, attempts: 1)
    }

    /// A partition keeps it back: then it is tried again with the next second, for as long as a
    /// session lives in silence.
    private mutating func forward(_ place: UInt64, from node: Int, attempts: Int) {
        guard let receiver = addressing.node(at: parcels[place].to) else {
            _ = parcels.take(place)
            return network.countNobodyThere()
        }
        _ = outerAddress(of: node, to: addressing.current[receiver])
        let isLetIn = translators.admits(
            addressing.current[node], to: receiver, port: addressing.current[receiver].port, at: now
        )
        if isLetIn, let arrival = network.sendReliably(from: node, to: receiver, at: now) {
            var event = Event(
                .parcel, node: UInt32(receiver), epoch: places[receiver].addressEpoch, word: place)
            event.from = addressing.current[node]
            agenda.push(event, at: arrival.nanoseconds)
        } else if attempts < Self.parcelAttemptsMax {
            var event = Event(
                .parcelAgain, node: UInt32(node), epoch: places[node].epoch, word: place)
            event.count = attempts + 1
            let second = Duration.seconds(1).nanoseconds
            agenda.push(event, at: (now.nanoseconds / second + 1) * second)
        } else {
            _ = parcels.take(place)
        }
    }

    /// Seconds for which a partition may keep a parcel back: the transport's idle timeout.
    private static var parcelAttemptsMax: Int { 120 }

    private mutating func parcelDueAgain(_ event: Event) {
        let node = Int(event.node)
        guard places[node].epoch == event.epoch else {
            _ = parcels.take(event.word)
            return
        }
        forward(event.word, from: node, attempts: event.count)
    }

    private mutating func post(
        _ range: Range<Int>, _ way: Way, at arrival: Instant, damagedBit: Int?
    ) {
        if damagedBit != nil, !Resident.readsDamagedPackets { return }
        let bytes = outbox.packets.bytes.withUnsafeBytes {
            pool.copy(UnsafeRawBufferPointer(rebasing: $0[range]))
        }
        if let bit = damagedBit.map({ $0 % (range.count * 8) }) {
            (bytes + bit / 8).assumingMemoryBound(to: UInt8.self).pointee ^= 1 << UInt8(bit % 8)
        }
        post(bytes, count: range.count, way, at: arrival)
    }

    private mutating func post(
        _ bytes: UnsafeMutableRawPointer, count: Int, _ way: Way, at arrival: Instant
    ) {
        var event = Event(
            network.isDownLimited(way.receiver) ? .downlink : .datagram,
            node: UInt32(way.receiver), epoch: places[way.receiver].addressEpoch, bytes: bytes,
            count: count, from: way.source)
        event.word = UInt64(way.port)
        if let log { log.sent(.bytes(UInt(bitPattern: bytes)), by: log.sender) }
        agenda.push(event, at: arrival.nanoseconds)
    }

    private mutating func serve(_ request: DiskRequest, for node: Int) {
        guard let (reply, latency) = disks.serve(request, for: node) else { return }
        let place = diskReplies.park(reply)
        log?.sent(.disk(place), by: node)
        let event = Event(
            .disk, node: UInt32(node), epoch: places[node].epoch, word: place)
        agenda.push(event, at: (now + latency).nanoseconds)
    }

    // MARK: Pausing

    /// Datagrams for a paused node wait in its socket's buffer; disk answers wait without bound, as
    /// they are answers to its own questions.
    private mutating func hold(_ event: Event) {
        let node = Int(event.node)
        var event = event
        if event.kind == .datagram {
            event.word = Event.inside
            guard places[node].heldByteCount + event.count <= Place<Resident>.socketBufferMax else {
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
        arm(node, places[node].resident?.pointee.nextDeadline?.at)
    }

    /// Drops what waited for a node that is no more.
    mutating func dropHeld(_ node: Int) {
        for event in places[node].held {
            switch event.kind {
            case .disk: _ = diskReplies.take(event.word)
            case .parcel: _ = parcels.take(event.word)
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
