/// Two connections over a link in virtual time, without packet protection: what the endpoint does around a
/// connection, in little.

import AROPrimitives
import AROWire

@testable import AROTransport

/// One direction of a path.
struct LinkModel {
    var delay: Duration = .milliseconds(10)
    /// Bits per second; 0 for no limit.
    var rate: Int64 = 0
    /// Bytes that wait at the bottleneck before the tail is dropped.
    var queue = 1 << 20
    /// Out of 1,000 packets, so many are lost, duplicated, delayed by up to `reorderDelay`.
    var loss = 0
    var duplication = 0
    var reordering = 0
    var reorderDelay: Duration = .milliseconds(20)
    /// The largest datagram that gets through.
    var mtu = 65_535
    /// Largest random delay of every packet, order kept out of account.
    var jitter: Duration = .zero
}

struct Packet {
    var number: UInt64
    var payload: [UInt8]
    var to: Side
}

enum Side: Int { case a, b }

final class Bottleneck {
    var busyUntil: [Instant] = [.origin, .origin]
}

/// When which packet left, for tests of pacing.
struct Departure {
    var at: Instant
    var bytes: Int
    var from: Side
    var isAckEliciting: Bool
    var isProbe: Bool
}

/// A class because `#expect` captures only what can be copied.
final class Pair {
    var a: Connection
    var b: Connection
    var now = Instant.origin + .seconds(1)
    var links: [LinkModel]
    var generator: Generator
    let overhead = 29

    /// Events in order, readable ones aside when `readsAll`.
    var events: [[ConnectionEvent]] = [[], []]
    /// What was read of each stream by each side.
    var read: [[UInt64: [UInt8]]] = [[:], [:]]
    var finished: [Set<UInt64>] = [[], []]
    var messages: [[[UInt8]]] = [[], []]
    var violations: [Violation] = []
    /// The packet number of the last crafted packet.
    var attackNumber: UInt64 = 1_000_000
    var readsAll = true
    /// What ``offer(_:chunk:priority:)`` has yet to write.
    struct Pending {
        var data: [UInt8]
        var offset = 0
        var chunk: Int
    }
    var pending: [UInt64: Pending] = [:]
    /// Of 1,000 packets, so many have a bit flipped.
    var corruption = 0
    var recordsDepartures = false
    var departures: [Departure] = []

    private var numbers: [UInt64] = [0, 0]
    private var heap: [(at: Instant, order: UInt64, packet: Packet)] = []
    private var order: UInt64 = 0
    /// The queues in front of both directions; pairs that share it compete.
    var bottleneck = Bottleneck()
    private(set) var delivered = 0
    private(set) var droppedByQueue = 0
    private var scratch = [UInt8](repeating: 0, count: 65_535)

    init(
        _ link: LinkModel = LinkModel(), back: LinkModel? = nil,
        configuration: TransportConfiguration = TransportConfiguration(), seed: UInt64 = 1,
        parameters: ((inout TransportParameters) -> Void)? = nil
    ) {
        var local = TransportParameters(configuration)
        parameters?(&local)
        a = Connection(
            role: .initiator, local: local, peer: local, configuration: configuration, at: now)
        b = Connection(
            role: .responder, local: local, peer: local, configuration: configuration, at: now)
        links = [link, back ?? link]
        generator = Generator(seed: seed)
    }

    // MARK: Driving

    /// Lets both sides write, then goes to the next moment at which something happens, if it is not
    /// after `end`. Returns false when nothing will.
    func step(until end: Instant) -> Bool {
        flush(.a)
        flush(.b)
        guard let next = nextMoment, next <= end else {
            now = max(now, end)
            return false
        }
        now = max(now, next)
        if let due = a.nextDeadline, due <= now { a.deadlinePassed(at: now) }
        if let due = b.nextDeadline, due <= now { b.deadlinePassed(at: now) }
        while let first = heap.first, first.at <= now { deliver(pop()) }
        return true
    }

    /// When something happens next.
    var nextMoment: Instant? {
        earliest(earliest(a.nextDeadline, b.nextDeadline), heap.first?.at)
    }

    /// Runs pairs in one time.
    static func runTogether(_ pairs: [Pair], for duration: Duration) {
        let end = pairs[0].now + duration
        for pair in pairs { _ = pair.step(until: pair.now) }
        while true {
            let next = pairs.min {
                $0.nextMoment ?? .distantFuture < $1.nextMoment ?? .distantFuture
            }!
            guard next.step(until: end) else { break }
            next.flush(.a)
            next.flush(.b)
        }
        for pair in pairs { _ = pair.step(until: end) }
    }

    func run(for duration: Duration) {
        let end = now + duration
        while step(until: end) {}
    }

    /// Runs until `done`, at most for `limit`. Returns whether it became true.
    func run(
        atMost limit: Duration, until done: (Pair) -> Bool
    ) -> Bool {
        let end = now + limit
        while !done(self) {
            if !step(until: end) { return done(self) }
        }
        return true
    }

    /// Sends what a side wants sent now.
    func flush(_ side: Side) {
        while true {
            let number = numbers[side.rawValue]
            let capacity =
                side == .a ? a.payloadCapacity : b.payloadCapacity
            let time = now
            var info = PayloadInfo()
            scratch.withUnsafeMutableBytes { bytes in
                let space = UnsafeMutableRawBufferPointer(rebasing: bytes[..<capacity])
                if side == .a {
                    info = a.write(into: space, packetNumber: number, at: time)
                } else {
                    info = b.write(into: space, packetNumber: number, at: time)
                }
            }
            guard info.count > 0 else { break }
            numbers[side.rawValue] += 1
            if recordsDepartures {
                departures.append(
                    Departure(
                        at: now, bytes: info.count + overhead, from: side,
                        isAckEliciting: info.isAckEliciting, isProbe: info.isProbe))
            }
            transmit(Array(scratch[..<info.count]), number: number, from: side)
        }
        takeEvents(side, payload: [])
    }

    func transmit(_ payload: [UInt8], number: UInt64, from side: Side) {
        let link = links[side.rawValue]
        let size = payload.count + overhead
        guard size <= link.mtu, !generator.chance(link.loss, in: 1_000) else { return }
        var leaves = now
        if link.rate > 0 {
            let start = max(bottleneck.busyUntil[side.rawValue], now)
            let backlog = (start - now).nanoseconds * link.rate / 8_000_000_000
            guard backlog + Int64(size) <= Int64(link.queue) else {
                droppedByQueue += 1
                return
            }
            leaves = start + .nanoseconds(Int64(size) * 8_000_000_000 / link.rate)
            bottleneck.busyUntil[side.rawValue] = leaves
        }
        var arrival = leaves + link.delay
        if generator.chance(link.reordering, in: 1_000) {
            arrival += generator.between(.zero, link.reorderDelay)
        }
        arrival += generator.between(.zero, link.jitter)
        let packet = Packet(number: number, payload: payload, to: side == .a ? .b : .a)
        push(packet, at: arrival)
        if generator.chance(link.duplication, in: 1_000) {
            push(packet, at: arrival + generator.between(.zero, link.reorderDelay))
        }
    }

    private func deliver(_ packet: Packet) {
        delivered += 1
        var payload = packet.payload
        if corruption > 0, generator.chance(corruption, in: 1_000) {
            payload[generator.below(payload.count)] ^= 1 << UInt8(generator.below(8))
        }
        receive(payload, number: packet.number, at: packet.to)
    }

    /// Hands a payload to a side, as if it had come in a packet.
    func receive(_ payload: [UInt8], number: UInt64, at side: Side) {
        do throws(Violation) {
            if side == .a {
                try a.receive(payload: payload.span.bytes, packetNumber: number, at: now)
            } else {
                try b.receive(payload: payload.span.bytes, packetNumber: number, at: now)
            }
        } catch {
            violations.append(error)
        }
        takeEvents(side, payload: payload)
    }

    private func takeEvents(_ side: Side, payload: [UInt8]) {
        while let event = side == .a ? a.nextEvent() : b.nextEvent() {
            switch event {
            case .message(let range): messages[side.rawValue].append(Array(payload[range]))
            case .writable(let id) where side == .a && pending[id] != nil: pump(id)
            case .readable(let id) where readsAll: take(id, at: side)
            default: events[side.rawValue].append(event)
            }
        }
    }

    /// Reads all that a stream has.
    func take(_ id: UInt64, at side: Side, atMost count: Int = .max) {
        var bytes = read[side.rawValue].removeValue(forKey: id) ?? []
        let append = { (span: RawSpan) in span.withUnsafeBytes { bytes.append(contentsOf: $0) } }
        let result =
            side == .a
            ? a.read(id, atMost: count, append) : b.read(id, atMost: count, append)
        read[side.rawValue][id] = bytes
        if result.isFinished { finished[side.rawValue].insert(id) }
    }

    // MARK: Packets on the way, a binary heap

    private func push(_ packet: Packet, at: Instant) {
        order += 1
        heap.append((at, order, packet))
        var i = heap.count - 1
        while i > 0, isBefore(i, (i - 1) / 2) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private func pop() -> Packet {
        heap.swapAt(0, heap.count - 1)
        let packet = heap.removeLast().packet
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == i { return packet }
            heap.swapAt(i, least)
            i = least
        }
    }

    private func isBefore(_ i: Int, _ j: Int) -> Bool {
        (heap[i].at, heap[i].order) < (heap[j].at, heap[j].order)
    }
}

/// Bytes that differ among seeds, and at every offset of a stream: a random block again and again,
/// with its place stamped into every kilobyte. (A generator's word for all of it takes a debug
/// build long.)
func patterned(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = Generator(seed: seed)
    var block: [UInt8] = []
    while block.count < min(count, 65_536) { block.appendU64(generator.next()) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes.append(contentsOf: block) }
    bytes.removeLast(bytes.count - count)
    for offset in stride(from: 0, to: count - 8, by: 1_024) {
        for i in 0..<4 { bytes[offset + i] ^= UInt8(truncatingIfNeeded: offset >> (10 + 8 * i)) }
    }
    return bytes
}

extension Pair {
    /// Opens a stream at `a`, writes `data` in whole chunks as there is room, and finishes it.
    func offer(
        _ data: [UInt8], chunk: Int = 1 << 20, priority: StreamPriority = .interactive
    ) -> UInt64 {
        let id = a.openStream(priority: priority)!
        pending[id] = Pending(data: data, chunk: chunk)
        pump(id)
        return id
    }

    func send(_ message: [UInt8], from side: Side) -> Bool {
        side == .a ? a.send(message: message.span.bytes) : b.send(message: message.span.bytes)
    }

    func writeAtA(_ bytes: [UInt8], to id: UInt64) -> Bool { a.write(bytes, to: id) }

    /// Writes and finishes at `b`.
    func answer(_ bytes: [UInt8], on id: UInt64) -> Bool {
        guard b.write(bytes, to: id) else { return false }
        b.finish(id)
        return true
    }

    /// Goes on with an ``offer(_:chunk:priority:)``.
    func pump(_ id: UInt64) {
        guard var rest = pending.removeValue(forKey: id) else { return }
        while rest.offset < rest.data.count {
            let end = min(rest.offset + rest.chunk, rest.data.count)
            guard a.write(Array(rest.data[rest.offset..<end]), to: id) else {
                pending[id] = rest
                return
            }
            rest.offset = end
        }
        a.finish(id)
    }
}
