/// Where a node that listens on every address can be reached: the addresses of the machine's
/// interfaces.

import AROPrimitives
import Glibc

enum Interfaces {
    /// The sockets' addresses, with an unspecified one replaced by those of the interfaces that are
    /// up: public ones first, as they are of use to most peers, loopback only where there is nothing
    /// else.
    static func reachable(from sockets: [UDPSocket]) -> [SocketAddress] {
        let own = sockets.contains { $0.address.isUnspecified } ? addresses() : []
        var found: [SocketAddress] = []
        for socket in sockets {
            let named =
                socket.address.isUnspecified
                ? own.filter(socket.reaches).map { $0.with(port: socket.address.port) }
                : [socket.address]
            for address in named where !found.contains(address) { found.append(address) }
        }
        let outside = found.filter { !$0.isLoopback }
        let best = outside.isEmpty ? found : outside
        return best.filter { !$0.isPrivate } + best.filter { $0.isPrivate }
    }

    /// All addresses of interfaces that are up, without those that hold for one link only (they need
    /// a zone, which a peer elsewhere cannot know).
    static func addresses() -> [SocketAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard entry.pointee.ifa_flags & UInt32(IFF_UP) != 0,
                let raw = entry.pointee.ifa_addr, let address = SocketAddress(raw)
            else { continue }
            let isLinkLocal = !address.isIPv4 && address.high >> 54 == 0xfe80 >> 6
            if !isLinkLocal, !found.contains(address) { found.append(address) }
        }
        return found
    }
}

extension SocketAddress {
    /// nil where it is neither IPv4 nor IPv6.
    init?(_ raw: UnsafePointer<sockaddr>) {
        switch Int32(raw.pointee.sa_family) {
        case AF_INET:
            self.init(UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_in.self))
        case AF_INET6:
            self.init(UnsafeRawPointer(raw).load(as: sockaddr_in6.self))
        default: return nil
        }
    }

    fileprivate func with(port: UInt16) -> SocketAddress {
        SocketAddress(high: high, low: low, port: port)
    }
}
