/// Two transports that shake hands over a wire that is the fuzzer's: it delivers, drops, alters,
/// repeats and invents datagrams, at any time and from any address. Whatever it does, an address
/// that never proved itself is sent at most three times what came from it.

import AROCrypto
import AROPrimitives
import AROTransport
import AROWire

final class TransportTarget {
    private struct Datagram {
        var bytes: [UInt8]
        var from, to: SocketAddress
    }

    private final class Side {
        var transport: Transport
        let address: SocketAddress
        var sessions: [SessionID] = []
        var streams: [StreamID] = []

        init(_ transport: consuming Transport, _ address: SocketAddress) {
            self.transport = transport
            self.address = address
        }
    }

    private var input: FuzzInput
    private var now = Instant.origin + .seconds(1_000)
    private var sides: [Side] = []
    private var flying: [Datagram] = []
    private var seen: [Datagram] = []
    /// Bytes from and to addresses that are the fuzzer's own.
    private var budget: [Int] = [0, 0, 0, 0]

    static func run(_ bytes: [UInt8]) { TransportTarget(FuzzInput(bytes)).run() }

    private init(_ input: FuzzInput) {
        self.input = input
        for number in 1...UInt8(2) {
            var configuration = TransportConfiguration()
            configuration.endpoint.sessionsMax = 8
            configuration.endpoint.halfOpenMax = 2
            let transport = Transport(
                configuration: configuration,
                identity: Identity(
                    seed: SecretKey(copying: [UInt8](repeating: number, count: 32))),
                entropy: Entropy(seed: Bits256(0, 0, 0, UInt64(number))),
                generator: Generator(seed: UInt64(number)), at: now,
                wallClock: UnixTime(seconds: 1_700_000_000))
            let address = SocketAddress(ipv4: 0x0a00_0000 + UInt32(number), port: 4_001)
            sides.append(Side(transport, address))
        }
    }

    private static func foreign(_ i: Int) -> SocketAddress {
        SocketAddress(ipv4: 0xc633_6400 + UInt32(i), port: 4_001)
    }

    private func run() {
        connect(0, knowing: input.flag())
        var steps = 0
        while !input.isAtEnd, steps < 200 {
            steps += 1
            step()
        }
    }

    private func step() {
        let i = input.below(2)
        switch input.below(11) {
        case 0, 1, 2, 3: deliver()
        case 4: if !flying.isEmpty { _ = flying.removeFirst() }
        case 5: deliverAltered()
        case 6: receive(i, input.run(1_300), from: input.below(4))
        case 7: repeatOld()
        case 8:
            now += .nanoseconds(1 << Int64(input.below(40)))
            var rounds = 0
            while let at = sides[i].transport.nextDeadline, at <= now {
                sides[i].transport.deadlinePassed(at: now)
                settle(i)
                rounds += 1
                check(rounds < 10_000, "deadlines come to rest")
            }
        default: use(i)
        }
        settle(0)
        settle(1)
    }

    // MARK: The wire

    private func deliver() {
        guard !flying.isEmpty else { return }
        let datagram = flying.removeFirst()
        for i in 0..<2 where sides[i].address == datagram.to {
            sides[i].transport.receive(datagram.bytes.span.bytes, from: datagram.from, at: now)
        }
    }

    private func deliverAltered() {
        guard !flying.isEmpty else { return }
        var datagram = flying[0]
        for _ in 0...input.below(3) {
            let place = input.below(max(datagram.bytes.count, 1))
            switch input.below(4) {
            case 0: datagram.bytes = Array(datagram.bytes.prefix(place))
            case 1: datagram.bytes += input.run(40)
            default: if place < datagram.bytes.count { datagram.bytes[place] ^= input.byte() }
            }
        }
        receive(input.below(2), datagram.bytes, from: input.below(8))
    }

    /// A datagram that came before comes again, from the same or another address.
    private func repeatOld() {
        guard !seen.isEmpty else { return }
        receive(input.below(2), seen[input.below(seen.count)].bytes, from: input.below(8))
    }

    /// - Parameter source: 0 to 3 are the fuzzer's addresses, above those of the two sides.
    private func receive(_ i: Int, _ bytes: [UInt8], from source: Int) {
        let address = source < 4 ? Self.foreign(source) : sides[source & 1].address
        if source < 4 { budget[source] += 3 * bytes.count }
        sides[i].transport.receive(bytes.span.bytes, from: address, at: now)
    }

    // MARK: The users

    private func connect(_ i: Int, knowing isKnown: Bool) {
        let other = sides[1 - i]
        let first = input.run(100)
        let id = sides[i].transport.connect(
            to: isKnown ? other.transport.id : nil, addresses: [other.address],
            first: first.span.bytes, at: now)
        sides[i].sessions.append(id)
        settle(i)
    }

    private func use(_ i: Int) {
        let side = sides[i]
        guard !side.sessions.isEmpty else { return connect(i, knowing: input.flag()) }
        let session = side.sessions[input.below(side.sessions.count)]
        switch input.below(7) {
        case 0: connect(i, knowing: input.flag())
        case 1:
            let message = input.run(300)
            side.transport.send(message: message.span.bytes, on: session, at: now)
        case 2:
            if let stream = side.transport.openStream(on: session, priority: .interactive) {
                side.streams.append(stream)
            }
        case 3:
            guard let stream = side.streams.last else { return }
            side.transport.write([UInt8](repeating: 1, count: input.below(65_536)), to: stream)
        case 4: if let stream = side.streams.popLast() { side.transport.finish(stream) }
        case 5: side.transport.close(session, at: now)
        default: if let stream = side.streams.popLast() { side.transport.reset(stream, code: 1) }
        }
    }

    private func settle(_ i: Int) {
        let side = sides[i]
        while let event = side.transport.nextEvent() { note(event, side) }
        var packets = PacketBuffer()
        side.transport.flush(at: now, into: &packets)
        while let event = side.transport.nextEvent() { note(event, side) }
        check(side.transport.sessionCount <= 8, "no more sessions than allowed")
        for run in packets.runs {
            for start in stride(from: run.start, to: run.start + run.count, by: run.segment) {
                let end = min(start + run.segment, run.start + run.count)
                launch(
                    Datagram(
                        bytes: Array(packets.bytes[start..<end]), from: side.address,
                        to: run.address))
            }
        }
        if side.sessions.count > 8 { side.sessions.removeFirst(4) }
        if side.streams.count > 16 { side.streams.removeFirst(8) }
    }

    private func note(_ event: TransportEvent, _ side: Side) {
        switch event {
        case .connected(let connected): side.sessions.append(connected.session)
        case .message(_, let range): side.transport.withReceived(range) { _ = $0.byteCount }
        case .streamOpened(let stream): side.streams.append(stream)
        case .readable(let stream): _ = side.transport.read(stream, atMost: .max) { _ in }
        default: break
        }
    }

    private func launch(_ datagram: Datagram) {
        for i in 0..<4 where Self.foreign(i) == datagram.to {
            budget[i] -= datagram.bytes.count
            check(budget[i] >= 0, "an unproven address is sent three times too much")
            return
        }
        if flying.count < 64 { flying.append(datagram) }
        if seen.count < 64 { seen.append(datagram) }
    }
}
