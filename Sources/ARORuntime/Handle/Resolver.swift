/// Host names to addresses, by the system's resolver, off the loop.

import AROPrimitives
import Glibc
import NIOPosix

/// Where a peer may be found, as the user writes it: `HOST:PORT`, `a.b.c.d:PORT` or `[v6]:PORT`.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) { (self.host, self.port) = (host, port) }

    /// nil for a missing or malformed port, an empty host, or an IPv6 address without brackets.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.allSatisfy({ ("0"..."9").contains($0) }), let port = UInt16(digits), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard SocketAddress(ipv6Host: host, port: port) != nil else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, !host.contains(where: { $0.isWhitespace || $0 == "/" }) else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

public struct ResolutionFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public var host: String
    public var reason: String

    public var description: String { "cannot find the address of '\(host)': \(reason)" }
}

extension HostPort {
    /// Addresses taken of one name; a name with more would make one bootstrap a crowd. A guess.
    static let addressesMax = 8

    /// The addresses of the host, in the resolver's order (RFC 6724).
    public func resolve() async throws -> [SocketAddress] {
        if let literal = literal { return [literal] }
        return try await NIOThreadPool.singleton.runIfActive { try self.resolveBlocking() }
    }

    private var literal: SocketAddress? {
        SocketAddress(ipv4Host: host, port: port) ?? SocketAddress(ipv6Host: host, port: port)
    }

    private func resolveBlocking() throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            throw ResolutionFailure(host: host, reason: String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next, found.count < Self.addressesMax {
            var storage = sockaddr_storage()
            memcpy(&storage, entry.pointee.ai_addr, Int(entry.pointee.ai_addrlen))
            if let address = SocketAddress(storage), !found.contains(address) {
                found.append(address)
            }
            next = entry.pointee.ai_next
        }
        return found
    }
}
