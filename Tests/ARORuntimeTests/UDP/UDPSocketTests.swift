import AROPrimitives
import Glibc
import Testing

@testable import ARORuntime

/// NIO has a type of that name too.
typealias SocketAddress = AROPrimitives.SocketAddress

private let loopback = SocketAddress(ipv4: 0x7f00_0001, port: 0)
private let loopback6 = SocketAddress(high: 0, low: 1, port: 0)

@Suite("UDP sockets") struct UDPSocketTests {
    @Test(
        "an address keeps its value through the system's forms",
        arguments: [
            "127.0.0.1:4002", "255.1.2.3:1", "[::1]:65535", "[2001:db8::7:0:9]:99",
        ])
    func roundTrip(text: String) throws {
        let address = try #require(SocketAddress(text))
        var storage = sockaddr_storage()
        if address.isIPv4 {
            #expect(address.write(to: &storage, family: .ipv4) == 16)
            #expect(SocketAddress(storage) == address)
        } else {
            #expect(address.write(to: &storage, family: .ipv4) == nil)
        }
        #expect(address.write(to: &storage, family: .ipv6) == 28)
        #expect(SocketAddress(storage) == address)
    }

    @Test("port 0 takes a free port, and a taken one is an error that says so")
    func takenPort() throws {
        let first = try UDPSocket(binding: loopback)
        defer { close(first.descriptor) }
        #expect(first.address.port != 0)
        let failure = #expect(throws: SystemFailure.self) {
            try UDPSocket(binding: first.address)
        }
        #expect(failure?.code == EADDRINUSE)
        #expect(failure?.description.contains("\(first.address)") == true)
    }

    @Test("a socket on the unspecified IPv6 address reaches both families, others their own")
    func reach() throws {
        let v4 = try #require(SocketAddress("192.0.2.1:9"))
        let v6 = try #require(SocketAddress("[2001:db8::1]:9"))
        let dual = try UDPSocket(binding: SocketAddress(high: 0, low: 0, port: 0))
        let local = try UDPSocket(binding: loopback)
        let local6 = try UDPSocket(binding: loopback6)
        defer { for socket in [dual, local, local6] { close(socket.descriptor) } }
        #expect(dual.reaches(v4) && dual.reaches(v6))
        #expect(local.reaches(local.address) && !local.reaches(v4) && !local.reaches(v6))
        #expect(local6.reaches(loopback6) && !local6.reaches(local.address))
    }

    @Test("a run leaves as its packets, whatever the kernel's offload", arguments: [1, 2, 40, 64])
    func runs(count: Int) throws {
        let (sender, receiver) = (UDPPort(try UDPSocket(binding: loopback)), try PlainReceiver())
        defer { close(sender.socket.descriptor) }
        let segment = 1_000
        var bytes: [UInt8] = []
        for i in 0..<count {
            let size = i == count - 1 ? 77 : segment
            bytes += [UInt8](repeating: UInt8(i), count: size)
        }
        bytes.withUnsafeBytes { sender.send($0, segment: segment, to: receiver.address) }
        for i in 0..<count {
            let size = i == count - 1 ? 77 : segment
            #expect(receiver.next() == [UInt8](repeating: UInt8(i), count: size))
        }
        #expect(sender.counters.datagramsOut == UInt64(count))
        #expect(sender.counters.bytesOut == UInt64(bytes.count))
        if sender.socket.hasSegmentation { #expect(sender.counters.sends == 1) }
    }

    @Test("a datagram beyond the link's MTU is dropped and counted, and the socket lives on")
    func tooLarge() throws {
        let (sender, receiver) = (UDPPort(try UDPSocket(binding: loopback)), try PlainReceiver())
        defer { close(sender.socket.descriptor) }
        let huge = [UInt8](repeating: 1, count: 65_600)
        huge.withUnsafeBytes { sender.send($0, segment: huge.count, to: receiver.address) }
        #expect(sender.counters.drops(.tooLarge) == 1)
        let small: [UInt8] = [1, 2, 3]
        small.withUnsafeBytes { sender.send($0, segment: 3, to: receiver.address) }
        #expect(receiver.next() == small)
    }

    @Test("addresses without a route cost their own packets only")
    func unreachable() throws {
        let (sender, receiver) = (UDPPort(try UDPSocket(binding: loopback)), try PlainReceiver())
        defer { close(sender.socket.descriptor) }
        let packet: [UInt8] = [9]
        for text in ["192.0.2.1:9", "[2001:db8::1]:9", "255.255.255.255:9"] {
            let address = try #require(SocketAddress(text))
            packet.withUnsafeBytes { sender.send($0, segment: 1, to: address) }
        }
        #expect(sender.counters.drops(.unreachable) + sender.counters.drops(.refused) == 3)
        packet.withUnsafeBytes { sender.send($0, segment: 1, to: receiver.address) }
        #expect(receiver.next() == packet)
    }

    @Test("packets to a port where nobody listens do not stop those to others")
    func refused() throws {
        let (sender, receiver) = (UDPPort(try UDPSocket(binding: loopback)), try PlainReceiver())
        defer { close(sender.socket.descriptor) }
        let gone = try PlainReceiver().address
        let packet: [UInt8] = [7, 7]
        for _ in 0..<20 {
            packet.withUnsafeBytes { sender.send($0, segment: 2, to: gone) }
            packet.withUnsafeBytes { sender.send($0, segment: 2, to: receiver.address) }
            #expect(receiver.next() == packet)
        }
    }

    @Test("after the descriptor is closed nothing is written to its number")
    func closed() throws {
        let port = UDPPort(try UDPSocket(binding: loopback))
        port.closed()
        close(port.socket.descriptor)
        let packet: [UInt8] = [1]
        packet.withUnsafeBytes { port.send($0, segment: 1, to: loopback) }
        #expect(port.counters.drops(.closed) == 1)
    }

    @Test("the queue of waiting runs is bounded in bytes and keeps its order")
    func queueBound() {
        var queue = SendQueue()
        let run = [UInt8](repeating: 0, count: 60_000)
        var taken = 0
        run.withUnsafeBytes {
            while queue.append($0, segment: 1_200, to: loopback), taken < 100_000 { taken += 1 }
        }
        #expect(taken == SendQueue.bytesMax / run.count)
        #expect(queue.byteCount <= SendQueue.bytesMax)
        queue.dropPrefix(1_200)
        #expect(queue.first?.bytes.count == 58_800)
        queue.removeFirst()
        #expect(queue.first?.bytes.count == 60_000)
        queue.removeAll()
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test("a node on every address names the interfaces', never the unspecified one")
    func interfaces() throws {
        let socket = try UDPSocket(binding: SocketAddress(high: 0, low: 0, port: 0))
        defer { close(socket.descriptor) }
        let found = Interfaces.reachable(from: [socket])
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { !$0.isUnspecified && $0.port == socket.address.port })
    }
}

/// A blocking socket that reads one datagram at a time, without any offload.
final class PlainReceiver {
    private let descriptor: Int32
    let address: SocketAddress

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var storage = sockaddr_storage()
        let length = loopback.write(to: &storage, family: .ipv4)!
        var bound = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let descriptor = descriptor
        withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                _ = getsockname(descriptor, $0, &bound)
            }
        }
        address = try #require(SocketAddress(storage))
    }

    deinit { close(descriptor) }

    /// nil when nothing comes.
    func next() -> [UInt8]? {
        var space = [UInt8](repeating: 0, count: 70_000)
        let count = recv(descriptor, &space, space.count, 0)
        return count < 0 ? nil : Array(space[..<count])
    }
}
