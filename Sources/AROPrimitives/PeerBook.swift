/// Peers as 32-bit handles: a table of a thousand contacts costs 8 bytes an entry instead of 100.
///
/// A real node owns a book and sweeps it now and then; a simulated world shares one book among all
/// its nodes and never sweeps. What is written here is what any node could know of a peer (its key,
/// its addresses); what one node measured of it (round-trip time, failures) is kept by that node.

/// A peer's place in a ``PeerBook``. Means nothing outside of that book.
public struct PeerHandle: Hashable, Comparable, Sendable {
    public var index: UInt32

    @inlinable public init(index: UInt32) { self.index = index }

    @inlinable public static func < (a: PeerHandle, b: PeerHandle) -> Bool { a.index < b.index }
}

/// What must be known of a peer to talk to it.
public struct Contact: Hashable, Sendable {
    public var id: PeerID
    /// Where it may be reached, best first; at most ``addressesMax``.
    public var addresses: [SocketAddress]

    /// Addresses kept of one peer: two families, public and private.
    public static let addressesMax = 4

    public init(id: PeerID, addresses: [SocketAddress]) {
        self.id = id
        self.addresses = Array(addresses.prefix(Self.addressesMax))
    }
}

public struct PeerBook: ~Copyable {
    @usableFromInline struct Entry {
        @usableFromInline var contact: Contact
        @usableFromInline var key: DHTKey
        @usableFromInline var used: Bool
    }

    @usableFromInline var entries: [Entry] = []
    private var handles: [PeerID: PeerHandle] = [:]
    private var free: [UInt32] = []

    public init() {}

    public var count: Int { handles.count }

    /// The handle of `id`, made if it is new. `key` is SHA-256 of the peer's public key; it is asked
    /// for only where the peer is new.
    public mutating func intern(_ id: PeerID, key: @autoclosure () -> DHTKey) -> PeerHandle {
        if let known = handles[id] { return known }
        let entry = Entry(contact: Contact(id: id, addresses: []), key: key(), used: true)
        let handle: PeerHandle
        if let index = free.popLast() {
            handle = PeerHandle(index: index)
            entries[Int(index)] = entry
        } else {
            handle = PeerHandle(index: UInt32(entries.count))
            entries.append(entry)
        }
        handles[id] = handle
        return handle
    }

    public func handle(of id: PeerID) -> PeerHandle? { handles[id] }

    @inlinable public func id(_ handle: PeerHandle) -> PeerID {
        entries[Int(handle.index)].contact.id
    }
    @inlinable public func key(_ handle: PeerHandle) -> DHTKey { entries[Int(handle.index)].key }
    @inlinable public func contact(_ handle: PeerHandle) -> Contact {
        entries[Int(handle.index)].contact
    }
    @inlinable public func addresses(_ handle: PeerHandle) -> [SocketAddress] {
        entries[Int(handle.index)].contact.addresses
    }

    /// A peer was heard from at `address`: it becomes the first to be tried.
    public mutating func heard(_ handle: PeerHandle, at address: SocketAddress) {
        let i = Int(handle.index)
        guard entries[i].contact.addresses.first != address else { return }
        entries[i].contact.addresses.removeAll { $0 == address }
        entries[i].contact.addresses.insert(address, at: 0)
        trim(i)
    }

    /// Somebody says that a peer can be reached at `addresses`: tried after those known already.
    public mutating func suggest(_ addresses: [SocketAddress], for handle: PeerHandle) {
        let i = Int(handle.index)
        for address in addresses where !address.isUnusable {
            guard entries[i].contact.addresses.count < Contact.addressesMax else { return }
            if !entries[i].contact.addresses.contains(address) {
                entries[i].contact.addresses.append(address)
            }
        }
    }

    /// An address did not answer: it is tried last from now on.
    public mutating func failed(_ handle: PeerHandle, at address: SocketAddress) {
        let i = Int(handle.index)
        guard let at = entries[i].contact.addresses.firstIndex(of: address) else { return }
        entries[i].contact.addresses.append(entries[i].contact.addresses.remove(at: at))
    }

    private mutating func trim(_ i: Int) {
        let extra = entries[i].contact.addresses.count - Contact.addressesMax
        if extra > 0 { entries[i].contact.addresses.removeLast(extra) }
    }

    /// Forgets every peer for which `isUsed` says false. Handles of forgotten peers are reused, so
    /// the caller must know every place that holds one.
    public mutating func sweep(keeping isUsed: (PeerHandle) -> Bool) {
        for i in entries.indices where entries[i].used {
            let handle = PeerHandle(index: UInt32(i))
            guard !isUsed(handle) else { continue }
            handles[entries[i].contact.id] = nil
            entries[i].used = false
            entries[i].contact.addresses = []
            free.append(UInt32(i))
        }
    }
}
