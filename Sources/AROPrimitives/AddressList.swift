/// The addresses of one peer, in place: contacts travel twenty at a time, and an array for each of
/// them would be an allocation for each of them.

/// At most ``Contact/addressesMax`` addresses, best first.
public struct AddressList: Sendable {
    // First, so that it lies in one cache line with the best address.
    @usableFromInline var used: UInt8 = 0
    @usableFromInline var slots: InlineArray<4, SocketAddress>

    @inlinable public init() {
        slots = InlineArray(repeating: SocketAddress(high: 0, low: 0, port: 0))
    }

    /// The first of `addresses`, as many as there is room for.
    @inlinable public init(_ addresses: some Sequence<SocketAddress>) {
        self.init()
        for address in addresses where !append(address) { return }
    }

    /// False where there is no room.
    @inlinable @discardableResult public mutating func append(_ address: SocketAddress) -> Bool {
        guard Int(used) < Contact.addressesMax else { return false }
        slots[Int(used)] = address
        used += 1
        return true
    }

    /// Puts an address before all others. The last one goes where there are too many, and another
    /// place of the same address in any case.
    @inlinable public mutating func moveToFront(_ address: SocketAddress) {
        var at = firstIndex(of: address) ?? Swift.min(Int(used), Contact.addressesMax - 1)
        if at == Int(used) { used += 1 }
        while at > 0 {
            slots[at] = slots[at - 1]
            at -= 1
        }
        slots[0] = address
    }

    /// Puts an address that is among them behind all others.
    @inlinable public mutating func moveToBack(_ address: SocketAddress) {
        guard var at = firstIndex(of: address) else { return }
        while at + 1 < Int(used) {
            slots[at] = slots[at + 1]
            at += 1
        }
        slots[at] = address
    }
}

extension AddressList: RandomAccessCollection {
    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { Int(used) }
    @inlinable public subscript(i: Int) -> SocketAddress {
        precondition(i < Int(used), "no address has this index")
        return slots[i]
    }
}

extension AddressList: ExpressibleByArrayLiteral {
    @inlinable public init(arrayLiteral elements: SocketAddress...) { self.init(elements) }
}

extension AddressList: Hashable {
    @inlinable public static func == (a: AddressList, b: AddressList) -> Bool {
        a.elementsEqual(b)
    }

    @inlinable public func hash(into hasher: inout Hasher) {
        hasher.combine(used)
        for address in self { hasher.combine(address) }
    }
}
