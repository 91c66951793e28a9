/// A UDP endpoint: an IPv4 or IPv6 address and a port, in 24 bytes without allocation.

public struct SocketAddress: Hashable, Sendable {
    /// The IPv6 address in two big-endian words; an IPv4 address is held mapped
    /// (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2), so that both families compare alike.
    public var high, low: UInt64
    public var port: UInt16

    @inlinable public init(high: UInt64, low: UInt64, port: UInt16) {
        (self.high, self.low, self.port) = (high, low, port)
    }

    /// An IPv4 endpoint from the address as a host-order number: 127.0.0.1 is `0x7f000001`.
    @inlinable public init(ipv4: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(ipv4), port: port)
    }

    @inlinable public var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }
    /// The IPv4 address as a host-order number; meaningful only where ``isIPv4``.
    @inlinable public var ipv4: UInt32 { UInt32(truncatingIfNeeded: low) }
    @inlinable public var isLoopback: Bool {
        isIPv4 ? ipv4 >> 24 == 127 : high == 0 && low == 1
    }
    /// 0.0.0.0 or ::, which no datagram can be sent to.
    @inlinable public var isUnspecified: Bool { isIPv4 ? ipv4 == 0 : high == 0 && low == 0 }
    /// Addresses that name no single host to send to: unspecified, multicast, IPv4 broadcast, or
    /// port 0.
    @inlinable public var isUnusable: Bool {
        if port == 0 || isUnspecified { return true }
        return isIPv4 ? ipv4 >> 28 == 0xe || ipv4 == .max : high >> 56 == 0xff
    }
    /// Private, link-local, unique-local, carrier-NAT or loopback: of no use to peers elsewhere.
    @inlinable public var isPrivate: Bool {
        if isLoopback { return true }
        if isIPv4 {
            return ipv4 >> 24 == 10 || ipv4 >> 20 == 0xac1 || ipv4 >> 16 == 0xc0a8
                || ipv4 >> 16 == 0xa9fe || ipv4 >> 22 == 0x6440 >> 6
        }
        return high >> 57 == 0xfc >> 1 || high >> 54 == 0xfe80 >> 6
    }

    /// The network that an operator is assumed to own: /24 of IPv4, /56 of IPv6. The ground of the
    /// caps per network.
    @inlinable public var network: UInt64 {
        isIPv4 ? 0xffff_0000_0000 | UInt64(ipv4 >> 8) << 8 : high & ~0xff
    }
}

extension SocketAddress: Comparable {
    @inlinable public static func < (a: SocketAddress, b: SocketAddress) -> Bool {
        (a.high, a.low, a.port) < (b.high, b.low, b.port)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:4001` or `[::1]:4001`; IPv6 in the form of RFC 5952 §4.
    public var description: String {
        isIPv4 ? "\(hostDescription):\(port)" : "[\(hostDescription)]:\(port)"
    }

    /// The address without port and brackets.
    public var hostDescription: String {
        guard !isIPv4 else {
            return "\(ipv4 >> 24).\(ipv4 >> 16 & 255).\(ipv4 >> 8 & 255).\(ipv4 & 255)"
        }
        let groups = (0..<8).map { i -> UInt16 in
            UInt16(truncatingIfNeeded: (i < 4 ? high : low) >> UInt64(48 - 16 * (i & 3)))
        }
        // The longest run of at least two zero groups becomes "::", the first of equals.
        var best = 0..<0
        var i = 0
        while i < 8 {
            var j = i
            while j < 8, groups[j] == 0 { j += 1 }
            if j - i > best.count, j - i >= 2 { best = i..<j }
            i = max(j, i + 1)
        }
        func text(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty
            ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }

    /// Reads `a.b.c.d:port` or `[v6]:port`; nil for names, missing ports and anything malformed.
    public init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        guard !portText.isEmpty, portText.utf8.allSatisfy({ (48...57).contains($0) }),
            let port = UInt16(portText)
        else { return nil }
        let host = text[..<colon]
        if host.first == "[", host.last == "]" {
            self.init(ipv6Host: host.dropFirst().dropLast(), port: port)
        } else {
            self.init(ipv4Host: host, port: port)
        }
    }

    /// Reads a dotted quad of decimal numbers without leading zeros.
    public init?(ipv4Host text: some StringProtocol, port: UInt16) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, part.utf8.allSatisfy({ (48...57).contains($0) }),
                part == "0" || part.first != "0", let byte = UInt8(part)
            else { return nil }
            address = address << 8 | UInt32(byte)
        }
        self.init(ipv4: address, port: port)
    }

    /// Reads an IPv6 address (RFC 4291 §2.2 forms 1 and 2, and the mixed form 3), without zone.
    public init?(ipv6Host text: some StringProtocol, port: UInt16) {
        func groups(_ part: some StringProtocol, last: Bool) -> [UInt16]? {
            if part.isEmpty { return [] }
            var out: [UInt16] = []
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
            for (i, piece) in pieces.enumerated() {
                if last, i == pieces.count - 1, piece.contains(".") {
                    guard let v4 = SocketAddress(ipv4Host: piece, port: 0) else { return nil }
                    out += [UInt16(v4.ipv4 >> 16), UInt16(v4.ipv4 & 0xffff)]
                    continue
                }
                guard (1...4).contains(piece.utf8.count),
                    piece.utf8.allSatisfy({ Hex.digits.contains($0 | 0x20) }),
                    let group = UInt16(piece, radix: 16)
                else { return nil }
                out.append(group)
            }
            return out
        }
        let string = String(text)
        var all: [UInt16]
        if let gap = string.firstRange(of: "::") {
            guard let head = groups(string[..<gap.lowerBound], last: false),
                let tail = groups(string[gap.upperBound...], last: true),
                head.count + tail.count <= 7
            else { return nil }
            all = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        } else {
            guard let whole = groups(string, last: true), whole.count == 8 else { return nil }
            all = whole
        }
        func word(_ slice: ArraySlice<UInt16>) -> UInt64 {
            slice.reduce(0) { $0 << 16 | UInt64($1) }
        }
        self.init(high: word(all[0..<4]), low: word(all[4..<8]), port: port)
    }
}
