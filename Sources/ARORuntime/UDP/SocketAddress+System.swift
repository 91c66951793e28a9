/// Addresses between the core's form, the system's and NIO's.
///
/// The core holds an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2). An IPv6 socket that is not
/// restricted to IPv6 speaks of IPv4 peers in just that form, so a mapped address goes out through
/// either kind of socket and comes back as the same value.

import AROPrimitives
import Glibc
import NIOCore

/// The core's address; NIO's type of the same name is always written with its module.
public typealias SocketAddress = AROPrimitives.SocketAddress

enum AddressFamily: Sendable {
    case ipv4, ipv6

    var number: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
}

extension SocketAddress {
    /// nil for a Unix domain socket.
    init?(_ address: NIOCore.SocketAddress) {
        switch address {
        case .v4(let v4): self.init(v4.address)
        case .v6(let v6): self.init(v6.address)
        case .unixDomainSocket: return nil
        }
    }

    init(_ address: sockaddr_in) {
        self.init(
            ipv4: UInt32(bigEndian: address.sin_addr.s_addr),
            port: UInt16(bigEndian: address.sin_port))
    }

    init(_ address: sockaddr_in6) {
        let words = withUnsafeBytes(of: address.sin6_addr) {
            (
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self.init(high: words.0, low: words.1, port: UInt16(bigEndian: address.sin6_port))
    }

    /// nil where the storage holds neither IPv4 nor IPv6.
    init?(_ storage: sockaddr_storage) {
        switch Int32(storage.ss_family) {
        case AF_INET: self.init(prefix(of: storage, as: sockaddr_in.self))
        case AF_INET6: self.init(prefix(of: storage, as: sockaddr_in6.self))
        default: return nil
        }
    }

    /// Writes the address for a socket of `family` and returns how many bytes it takes; nil where
    /// such a socket cannot name it.
    func write(to storage: inout sockaddr_storage, family: AddressFamily) -> socklen_t? {
        switch family {
        case .ipv4:
            guard isIPv4 else { return nil }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = ipv4.bigEndian
            withUnsafeMutableBytes(of: &storage) {
                $0.storeBytes(of: address, as: sockaddr_in.self)
            }
            return socklen_t(MemoryLayout<sockaddr_in>.size)
        case .ipv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            withUnsafeMutableBytes(of: &storage) {
                $0.storeBytes(of: address, as: sockaddr_in6.self)
            }
            return socklen_t(MemoryLayout<sockaddr_in6>.size)
        }
    }
}

/// The address at the beginning of the storage, whose alignment is that of every address.
private func prefix<T>(of storage: sockaddr_storage, as: T.Type) -> T {
    withUnsafeBytes(of: storage) { $0.load(as: T.self) }
}
