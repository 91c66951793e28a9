import AROContent
import ARONode
import AROPrimitives
import AROWire
import Glibc
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import ARORuntime

private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
private let peer = PeerID(key: Bits256(1, 2, 3, 4))

/// Sends back every datagram that begins with 0, and counts all; `join` sends a burst; `peers` never
/// answers; `lookup` reads a block from the disk.
private struct Echo: ~Copyable, Driven {
    var datagrams: UInt64 = 0
    var bytes: UInt64 = 0
    var deadlines = 0
    var clocks = 0
    var cancelled = 0
    var batches = 0
    var waiting: [RequestID] = []
    var next: Wake?

    static let burst = 100
    static let size = 1_100

    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox) {
        switch input {
        case .datagram(let bytes, let address):
            datagrams += 1
            self.bytes += UInt64(bytes.byteCount)
            let first = bytes.withUnsafeBytes { $0.first ?? 1 }
            if first == 0 {
                var reply = bytes.array
                reply[0] = 1
                outbox.packets.append(reply.span.bytes, to: address)
            }
        case .deadline:
            deadlines += 1
            next = nil
            for id in waiting { outbox.effects.append(.reply(id, .done)) }
            waiting = []
        case .request(.join(let addresses), let id):
            for _ in 0..<Self.burst {
                let packet = [UInt8](repeating: 0, count: Self.size)
                outbox.packets.append(packet.span.bytes, to: addresses[0])
            }
            outbox.effects.append(.reply(id, .joined(peers: 1)))
        case .request(.status, let id):
            var status = NodeStatus(id: peer)
            status.datagramsIn = datagrams
            status.bytesIn = bytes
            status.sessions = batches
            status.tablePeers = clocks
            status.fetchesRunning = cancelled
            outbox.effects.append(.reply(id, .status(status)))
        case .request(.withdraw, let id):
            waiting.append(id)
            next = Wake(at: now + .milliseconds(20), reason: .overlay)
        case .request(.provide(let cid), let id):
            waiting.append(id)
            outbox.effects.append(.disk(.read(cid, DiskToken(number: id.number))))
        case .disk(.block(let token, let result)):
            waiting.removeAll { $0.number == token.number }
            let found = if case .success(let bytes) = result { bytes.count } else { 0 }
            outbox.effects.append(
                .reply(RequestID(number: token.number), .held(by: found, of: found)))
        case .cancel: cancelled += 1
        case .wallClock: clocks += 1
        default: break
        }
    }

    mutating func flush(at now: Instant, into outbox: inout Outbox) { batches += 1 }

    var nextDeadline: Wake? { next }
}

/// Answers every read from a thread of its own.
private struct TestDisk: DiskServicing {
    func perform(_ request: DiskRequest, reply: @escaping @Sendable (DiskReply) -> Void) {
        guard case .read(_, let token) = request else { return }
        Task.detached { reply(.block(token, .success([1, 2, 3]))) }
    }

    func close() async {}
}

private struct Running {
    let loop: NodeLoop<Echo>
    let address: SocketAddress

    init(listen: [SocketAddress]) async throws {
        loop = NodeLoop(
            Echo(), on: MultiThreadedEventLoopGroup.singleton.next(), disk: TestDisk(),
            logger: logger)
        let sockets = try listen.map { try UDPSocket(binding: $0) }
        address = sockets[0].address
        try await loop.start(sockets)
    }

    init() async throws { try await self.init(listen: [SocketAddress(ipv4: 0x7f00_0001, port: 0)]) }

    func status() async throws -> NodeStatus {
        guard case .status(let status) = await loop.answer(to: .status) else {
            throw CancellationError()
        }
        return status
    }

    func waitUntil(_ condition: (NodeStatus) -> Bool) async throws -> NodeStatus {
        for _ in 0..<2_000 {
            let status = try await status()
            if condition(status) { return status }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
        return try await status()
    }
}

private let someCID = CID(.raw, hashing: [1, 2, 3].span.bytes)

@Suite("The loop") struct NodeLoopTests {
    @Test(
        "a burst crosses loopback and comes back, each datagram whole",
        arguments: [
            "127.0.0.1:0", "[::1]:0",
        ])
    func burst(listen: String) async throws {
        let listen = try #require(SocketAddress(listen))
        let (a, b) = (try await Running(listen: [listen]), try await Running(listen: [listen]))
        guard case .joined = await a.loop.answer(to: .join([b.address])) else {
            Issue.record("no answer")
            return
        }
        let atB = try await b.waitUntil { $0.datagramsIn == UInt64(Echo.burst) }
        let atA = try await a.waitUntil { $0.datagramsIn == UInt64(Echo.burst) }
        #expect(atB.datagramsIn == UInt64(Echo.burst))
        #expect(atA.datagramsIn == UInt64(Echo.burst))
        #expect(atA.bytesIn == UInt64(Echo.burst * Echo.size))
        let counters = await a.loop.counters()
        #expect(counters.datagramsOut == UInt64(Echo.burst))
        #expect(counters.sends < UInt64(Echo.burst))
        await a.loop.shutdown()
        await b.loop.shutdown()
    }

    @Test("a dual-stack socket talks to an IPv4 socket by the IPv4 address")
    func dualStack() async throws {
        let dual = try await Running(listen: [SocketAddress(high: 0, low: 0, port: 0)])
        let v4 = try await Running()
        _ = await v4.loop.answer(
            to: .join([SocketAddress(ipv4: 0x7f00_0001, port: dual.address.port)]))
        #expect(try await v4.waitUntil { $0.datagramsIn == 100 }.datagramsIn == 100)
        await dual.loop.shutdown()
        await v4.loop.shutdown()
    }

    @Test("with several sockets the answer leaves from the one that was asked")
    func severalSockets() async throws {
        let any = SocketAddress(ipv4: 0x7f00_0001, port: 0)
        let sockets = [try UDPSocket(binding: any), try UDPSocket(binding: any)]
        let loop = NodeLoop(
            Echo(), on: MultiThreadedEventLoopGroup.singleton.next(), disk: TestDisk(),
            logger: logger)
        try await loop.start(sockets)
        for asked in sockets {
            let client = UDPPort(try UDPSocket(binding: any))
            defer { close(client.socket.descriptor) }
            let packet: [UInt8] = [0, 5]
            packet.withUnsafeBytes { client.send($0, segment: 2, to: asked.address) }
            #expect(await sender(of: client) == asked.address)
        }
        await loop.shutdown()
    }

    @Test("a socket that breaks is opened again at its address, as soon as that is free")
    func reopening() async throws {
        let any = SocketAddress(ipv4: 0x7f00_0001, port: 0)
        let socket = try UDPSocket(binding: any)
        let loop = NodeLoop(
            Echo(), on: MultiThreadedEventLoopGroup.singleton.next(), disk: TestDisk(),
            logger: logger)
        try await loop.start([socket])
        await loop.breakSocket(0)
        // Where this task is quick enough, somebody else takes the address meanwhile.
        if let other = try? UDPSocket(binding: socket.address) {
            try await Task.sleep(nanoseconds: 1_500_000_000)
            close(other.descriptor)
        }

        let client = UDPPort(try UDPSocket(binding: any))
        defer { close(client.socket.descriptor) }
        let packet: [UInt8] = [0, 5]
        var answered: SocketAddress?
        for _ in 0..<200 where answered == nil {
            packet.withUnsafeBytes { client.send($0, segment: 2, to: socket.address) }
            answered = await sender(of: client, tries: 20)
        }
        #expect(answered == socket.address)
        #expect(await loop.counters().datagramsOut > 0)
        await loop.shutdown()
    }

    private func sender(of port: UDPPort, tries: Int = 2_000) async -> SocketAddress? {
        for _ in 0..<tries {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            var byte: UInt8 = 0
            let count = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(port.socket.descriptor, &byte, 1, 0, $0, &length)
                }
            }
            if count >= 0 { return SocketAddress(storage) }
            try? await Task.sleep(nanoseconds: 5_000_000)
        }
        return nil
    }

    @Test("a deadline that the node names is told to it")
    func deadline() async throws {
        let node = try await Running()
        guard case .done = await node.loop.answer(to: .withdraw(someCID)) else {
            Issue.record("the deadline was not told")
            return
        }
        await node.loop.shutdown()
    }

    @Test("the disk's answers reach the node from other threads")
    func disk() async throws {
        let node = try await Running()
        guard case .held(3, 3) = await node.loop.answer(to: .provide(someCID)) else {
            Issue.record("no block came")
            return
        }
        await node.loop.shutdown()
    }

    @Test("the node learns the time of day at the start")
    func clock() async throws {
        let node = try await Running()
        #expect(try await node.waitUntil { $0.tablePeers > 0 }.tablePeers > 0)
        await node.loop.shutdown()
    }

    @Test("cancelling the task that waits cancels the request")
    func cancellation() async throws {
        let node = try await Running()
        let waiting = Task { await node.loop.answer(to: .peers) }
        _ = try await node.status()
        waiting.cancel()
        #expect(await waiting.value == nil)
        #expect(try await node.waitUntil { $0.fetchesRunning == 1 }.fetchesRunning == 1)
        await node.loop.shutdown()
    }

    @Test("requests beyond the bound are refused at once")
    func requestBound() async throws {
        let node = try await Running()
        let answers = NIOLockedValueBox<[RequestFailure]>([])
        for _ in 0...NodeLoop<Echo>.requestsMax {
            _ = node.loop.submit(.peers) { reply in
                if case .failed(let failure) = reply {
                    answers.withLockedValue { $0.append(failure) }
                }
            }
        }
        _ = await node.loop.answer(to: .status)
        #expect(answers.withLockedValue { $0 } == [.tooManyRequests])
        await node.loop.shutdown()
        let ended = answers.withLockedValue { $0 }
        #expect(ended.filter { $0 == .shuttingDown }.count == NodeLoop<Echo>.requestsMax)
    }

    @Test("after a shutdown every request is answered with it, and a second shutdown is harmless")
    func shutdown() async throws {
        let node = try await Running()
        await node.loop.shutdown()
        await node.loop.shutdown()
        guard case .failed(.shuttingDown) = await node.loop.answer(to: .status) else {
            Issue.record("a request was taken after the end")
            return
        }
    }
}
