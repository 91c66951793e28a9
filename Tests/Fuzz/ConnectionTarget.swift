/// A whole connection whose peer is the fuzzer: authentic packets with any frames, any times, any
/// transport parameters, between whatever the local user does. It must neither trap nor spin, its
/// own packets must be well-formed, and its memory bounded by what it announced.

import AROPrimitives
import AROTransport
import AROWire

struct ConnectionTarget: ~Copyable {
    private var input: FuzzInput
    private let configuration: TransportConfiguration
    private var connection: Connection
    private var now = Instant.origin + .seconds(1_000)
    private var numberIn: UInt64 = 0
    private var numberOut: UInt64 = 0
    private var streams: [UInt64] = []
    private var space = [UInt8](repeating: 0, count: 65_535)

    static func run(_ bytes: [UInt8]) {
        var target = ConnectionTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ source: FuzzInput) {
        var input = source
        let kind = input.byte()
        configuration = Self.configuration(isSmall: kind & 1 == 1)
        var peer = TransportParameters(configuration)
        if kind & 2 != 0 {
            let encoded = input.run(80)
            var reader = ByteReader(encoded.span.bytes)
            if let decoded = try? TransportParameters(reading: &reader) { peer = decoded }
        }
        connection = Connection(
            role: kind & 4 != 0 ? .initiator : .responder,
            local: TransportParameters(configuration), peer: peer, configuration: configuration,
            at: now)
        self.input = input
    }

    private static func configuration(isSmall: Bool) -> TransportConfiguration {
        var configuration = TransportConfiguration()
        guard isSmall else { return configuration }
        configuration.streamsMax = 4
        configuration.streamWindow = 4_096
        configuration.connectionWindow = 8_192
        configuration.streamWindowMax = 16_384
        configuration.connectionWindowMax = 32_768
        configuration.receiveHolesMax = 4
        configuration.receivedRangesMax = 4
        configuration.messagesMax = 4
        configuration.sendHighWater = 4_096
        configuration.mtuSearchAfter = 0
        return configuration
    }

    private mutating func run() {
        var steps = 0
        while !input.isAtEnd, steps < 400 {
            steps += 1
            step()
            drain(payload: [])
            checkBounds()
        }
        write(atMost: 200_000)
        check(steps < 1 || !writes(), "a connection stops writing at last")
    }

    private mutating func step() {
        switch input.below(10) {
        case 0: receive(input.run(1_200))
        case 1, 2: receive(craftedFrames())
        case 3: receive(honestAck())
        case 4: passTime()
        case 5, 6: write(atMost: 1 + input.below(16))
        case 7, 8: useStreams()
        default: useConnection()
        }
    }

    // MARK: The peer

    private mutating func receive(_ payload: [UInt8]) {
        numberIn &+= input.byte() == 255 ? input.number() : 1
        numberIn = min(numberIn, WireLimits.varintMax)
        try? connection.receive(payload: payload.span.bytes, packetNumber: numberIn, at: now)
        drain(payload: payload)
    }

    private mutating func craftedFrames() -> [UInt8] {
        var out: [UInt8] = []
        for _ in 0...input.below(6) { appendFrame(to: &out) }
        return out
    }

    private static let types: [UInt8] = [
        0x00, 0x01, 0x02, 0x04, 0x05, 0x08, 0x09, 0x10, 0x11, 0x12, 0x1a, 0x1b, 0x1c, 0x31,
    ]

    private mutating func appendFrame(to out: inout [UInt8]) {
        let type = Self.types[input.below(Self.types.count)]
        out.append(type)
        switch type {
        case 0x02:
            out.appendVarint(input.number())
            out.appendVarint(input.number())
            let count = input.below(4)
            out.appendVarint(count)
            for _ in 0..<2 * count + 1 { out.appendVarint(input.number()) }
        case 0x04: for _ in 0..<3 { out.appendVarint(input.number()) }
        case 0x05, 0x11: for _ in 0..<2 { out.appendVarint(input.number()) }
        case 0x08, 0x09:
            out.appendVarint(input.number())
            out.appendVarint(input.number())
            out.appendLengthPrefixed([UInt8](repeating: type, count: input.below(1_000)))
        case 0x10, 0x12: out.appendVarint(input.number())
        case 0x1a, 0x1b: out.appendU64(input.number())
        case 0x1c:
            out.appendVarint(input.number())
            out.appendLengthPrefixed(input.run(128))
        case 0x31: out.appendLengthPrefixed(input.run(200))
        default: break
        }
    }

    /// Acknowledges some of what was sent.
    private mutating func honestAck() -> [UInt8] {
        guard numberOut > 0 else { return [1] }
        var out: [UInt8] = [2]
        let largest = numberOut - 1 - min(UInt64(input.below(64)), numberOut - 1)
        out.appendVarint(largest)
        out.appendVarint(input.number())
        out.appendVarint(0)
        out.appendVarint(min(UInt64(input.below(64)), largest))
        return out
    }

    // MARK: Time and the local user

    private mutating func passTime() {
        now += .nanoseconds(1 << Int64(input.below(42)))
        if let due = connection.nextDeadline, due <= now { connection.deadlinePassed(at: now) }
    }

    private mutating func write(atMost count: Int) {
        for _ in 0..<count where !writes() { return }
    }

    /// Writes one packet; false where there was nothing to write.
    private mutating func writes() -> Bool {
        let capacity = connection.payloadCapacity
        check(capacity <= 65_535, "a packet of \(capacity) bytes")
        let (number, time) = (numberOut, now)
        let info = space.withUnsafeMutableBytes {
            connection.write(
                into: UnsafeMutableRawBufferPointer(rebasing: $0[..<capacity]),
                packetNumber: number, at: time)
        }
        guard info.count > 0 else { return false }
        numberOut += 1
        check(info.count <= capacity, "a packet beyond its space")
        let packet = Array(space[..<info.count])
        var reader = ByteReader(packet.span.bytes)
        while !reader.isAtEnd {
            if (try? reader.frame()) == nil { check(false, "our frames decode: \(packet)") }
        }
        return true
    }

    private mutating func useStreams() {
        let id = streams.isEmpty ? input.number() : streams[input.below(streams.count)]
        switch input.below(7) {
        case 0:
            let priority = StreamPriority.allCases[input.below(3)]
            if let id = connection.openStream(priority: priority) { streams.append(id) }
        case 1: _ = connection.write([UInt8](repeating: 7, count: input.below(65_536)), to: id)
        case 2: connection.finish(id)
        case 3: connection.reset(id, code: input.number())
        case 4: connection.stop(id, code: input.number())
        case 5: connection.prioritize(id, StreamPriority.allCases[input.below(3)])
        default: _ = connection.read(id, atMost: input.below(65_536)) { _ in }
        }
    }

    private mutating func useConnection() {
        switch input.below(6) {
        case 0: connection.ping()
        case 1: connection.challengePath(input.number())
        case 2: connection.pathChanged(at: now)
        case 3: connection.sampled(roundTrip: .nanoseconds(1 << Int64(input.below(60))), at: now)
        case 4: if input.byte() == 0 { connection.close(.none, text: "end") }
        default:
            let message = [UInt8](repeating: 3, count: input.below(1_200))
            _ = connection.send(message: message.span.bytes)
        }
    }

    // MARK: What comes out

    private mutating func drain(payload: [UInt8]) {
        while let event = connection.nextEvent() {
            switch event {
            case .message(let range):
                check(range.upperBound <= payload.count, "a message lies in its packet")
            case .streamOpened(let id): streams.append(id)
            default: break
            }
        }
        if streams.count > 64 { streams.removeFirst(32) }
    }

    private func checkBounds() {
        let known = connection.statistics
        check(known.bytesInFlight >= 0, "bytes in flight: \(known.bytesInFlight)")
        let rings = configuration.streamsMax * (128 << 10)
        let most = 2 * Int(configuration.connectionWindowMax) + rings
        check(known.receiveBufferBytes <= most, "receive buffers of \(known.receiveBufferBytes)")
        if let due = connection.nextDeadline {
            check(due.nanoseconds > 0, "a deadline that overflowed: \(due)")
        }
    }
}
