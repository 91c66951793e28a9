/// A bound UDP socket with everything set that a transport with path MTU discovery needs.
///
/// Made by hand and handed to NIO bound: the options must be set before the first datagram, and
/// the sending side writes to the descriptor itself (see ``UDPPort``).

import AROPrimitives
import Glibc
import NIOCore

struct UDPSocket: Sendable {
    let descriptor: Int32
    let family: AddressFamily
    /// Where it is bound; the port is the one that the system chose where 0 was asked.
    let address: SocketAddress
    /// Whether it carries IPv4 too (an IPv6 socket on the unspecified address).
    let isDualStack: Bool
    /// The receive buffer that the system granted, bytes.
    let receiveBufferBytes: Int
    /// Whether the kernel joins datagrams of one peer on receipt (UDP_GRO).
    let hasReceiveOffload: Bool
    /// Whether the kernel cuts a run into datagrams (UDP_SEGMENT).
    let hasSegmentation: Bool

    /// Asked for each direction. Like quic-go's 7 MiB in kind, but within the 4 MiB that Debian's
    /// kernels grant at most (net.core.rmem_max) on this project's machines: a guess.
    static let bufferBytesWanted = 4 << 20
    /// Below this a burst of one round trip at 1 Gbit/s and 20 ms does not fit: worth a warning.
    static let bufferBytesLow = 2 << 20

    init(binding wanted: SocketAddress) throws(SystemFailure) {
        let family: AddressFamily = wanted.isIPv4 ? .ipv4 : .ipv6
        let type = Int32(
            SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family.number, type, 0)
        guard descriptor >= 0 else { throw SystemFailure("open a UDP socket for \(wanted)") }
        do throws(SystemFailure) {
            let dualStack = family == .ipv6 && wanted.isUnspecified
            try Self.configure(descriptor, family, dualStack: dualStack)
            try Self.bind(descriptor, wanted, family)
            self.descriptor = descriptor
            self.family = family
            address = try Self.localAddress(descriptor, wanted)
            isDualStack = dualStack
            receiveBufferBytes = Self.growBuffers(descriptor)
            hasReceiveOffload = Self.enableReceiveOffload(descriptor)
            hasSegmentation = Self.probeSegmentation(descriptor)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Whether a datagram to `destination` can leave through this socket.
    func reaches(_ destination: SocketAddress) -> Bool {
        if address.isLoopback && !destination.isLoopback { return false }
        if destination.isIPv4 { return family == .ipv4 || isDualStack }
        return family == .ipv6
    }
}

extension UDPSocket {
    private static func configure(_ descriptor: Int32, _ family: AddressFamily, dualStack: Bool)
        throws(SystemFailure)
    {
        if family == .ipv6 {
            try set(descriptor, SystemOption.ipv6Only, dualStack ? 0 : 1, "IPV6_V6ONLY")
            // PROBE sets "don't fragment" and ignores what ICMP claims of the path's MTU, which
            // anybody could forge: the transport probes for itself (RFC 8899 §4.6).
            try set(
                descriptor, SystemOption.ipv6MTUDiscover, SystemOption.probe, "IPV6_MTU_DISCOVER")
        }
        if family == .ipv4 || dualStack {
            try set(descriptor, SystemOption.ipv4MTUDiscover, SystemOption.probe, "IP_MTU_DISCOVER")
        }
    }

    private static func bind(
        _ descriptor: Int32, _ wanted: SocketAddress, _ family: AddressFamily
    ) throws(SystemFailure) {
        var storage = sockaddr_storage()
        guard let length = wanted.write(to: &storage, family: family) else {
            throw SystemFailure("listen on \(wanted)", code: EAFNOSUPPORT)
        }
        let status = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, length)
            }
        }
        guard status == 0 else { throw SystemFailure("listen on \(wanted)") }
    }

    private static func localAddress(_ descriptor: Int32, _ wanted: SocketAddress)
        throws(SystemFailure) -> SocketAddress
    {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        guard status == 0, let bound = SocketAddress(storage) else {
            throw SystemFailure("read the address of the socket on \(wanted)")
        }
        return bound
    }

    /// Returns the receive buffer's size as granted.
    private static func growBuffers(_ descriptor: Int32) -> Int {
        var wanted = Int32(bufferBytesWanted)
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &wanted, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &wanted, size)
        var granted: Int32 = 0
        var length = size
        getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &granted, &length)
        return Int(granted) / 2  // the kernel reports twice the size (socket(7), SO_RCVBUF)
    }

    /// Only where NIO can report the segments' size as well: else joined datagrams could not be
    /// taken apart.
    private static func enableReceiveOffload(_ descriptor: Int32) -> Bool {
        guard NIOCore.System.supportsUDPReceiveOffload else { return false }
        var on: Int32 = 1
        return setsockopt(
            descriptor, SystemOption.udp, SystemOption.udpReceiveOffload, &on,
            socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    private static func probeSegmentation(_ descriptor: Int32) -> Bool {
        var off: Int32 = 0
        return setsockopt(
            descriptor, SystemOption.udp, SystemOption.udpSegment, &off,
            socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    private static func set(
        _ descriptor: Int32, _ option: (level: Int32, name: Int32), _ value: Int32, _ word: String
    ) throws(SystemFailure) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard setsockopt(descriptor, option.level, option.name, &value, size) == 0 else {
            throw SystemFailure("set the socket option \(word)")
        }
    }
}

/// Numbers of linux/in.h, linux/in6.h and linux/udp.h; the C library's module lacks some of them.
enum SystemOption {
    static let ipv6Only: (level: Int32, name: Int32) = (41, 26)
    static let ipv4MTUDiscover: (level: Int32, name: Int32) = (0, 10)
    static let ipv6MTUDiscover: (level: Int32, name: Int32) = (41, 23)
    static let probe: Int32 = 3
    static let udp: Int32 = 17
    static let udpSegment: Int32 = 103
    static let udpReceiveOffload: Int32 = 104
}
