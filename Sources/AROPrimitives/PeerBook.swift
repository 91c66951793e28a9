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
    public var addresses: AddressList

    /// Addresses kept of one peer: two families, public and private.
    public static let addressesMax = 4

    @inlinable public init(id: PeerID, addresses: AddressList) {
        (self.id, self.addresses) = (id, addresses)
    }

    @inlinable public init(id: PeerID, addresses: some Sequence<SocketAddress>) {
        self.init(id: id, addresses: AddressList(addresses))
    }
}

public struct PeerBook: ~Copyable {
    // Apart, as look-ups compare the keys of many peers and want nothing else of them.
    @usableFromInline var contacts: [Contact] = []
    @usableFromInline var keys: [DHTKey] = []
    private var used: [Bool] = []
    /// Where each id stands, by its hash: a power of two of slots, at most half of them taken, each
    /// with a handle's index plus one, or 0. The ids are compared in ``contacts``, which are wanted
    /// next in any case; a dictionary would keep them a second time.
    private var slots: [UInt32] = []
    private var free: [UInt32] = []
    /// Chance of this process, so that nobody can make ids that meet.
    private let hashKeys: (UInt64, UInt64)

    public init() {
        hashKeys = (
            UInt64(truncatingIfNeeded: 1.hashValue), UInt64(truncatingIfNeeded: 2.hashValue)
        )
    }

    public var count: Int { contacts.count - free.count }

    public var heapByteCount: Int {
        contacts.heapByteCount + keys.heapByteCount + used.heapByteCount + slots.heapByteCount
    }

    /// One multiplication, folded (as wyhash does): keys of peers are as good as random already.
    private func firstSlot(of id: PeerID) -> Int {
        let product = (id.key.w0 ^ hashKeys.0).multipliedFullWidth(by: id.key.w1 ^ hashKeys.1)
        return Int(truncatingIfNeeded: product.high ^ product.low) & (slots.count - 1)
    }

    /// The slot of `id`, or the one where it would be put. There must be slots.
    private func slot(of id: PeerID) -> Int {
        var i = firstSlot(of: id)
        while slots[i] != 0, contacts[Int(slots[i]) - 1].id != id {
            i = (i + 1) & (slots.count - 1)
        }
        return i
    }

    /// Makes slots anew for all that is used.
    private mutating func rehash(slotCount: Int) {
        slots = Array(repeating: 0, count: slotCount)
        for i in contacts.indices where used[i] {
            slots[slot(of: contacts[i].id)] = UInt32(i) + 1
        }
    }

    /// The handle of `id`, made if it is new. `key` is SHA-256 of the peer's public key; it is asked
    /// for only where the peer is new.
    public mutating func intern(_ id: PeerID, key: @autoclosure () -> DHTKey) -> PeerHandle {
        if let known = handle(of: id) { return known }
        let contact = Contact(id: id, addresses: [])
        let handle: PeerHandle
        if let index = free.popLast() {
            handle = PeerHandle(index: index)
            contacts[Int(index)] = contact
            keys[Int(index)] = key()
            used[Int(index)] = true
        } else {
            handle = PeerHandle(index: UInt32(contacts.count))
            contacts.append(contact)
            keys.append(key())
            used.append(true)
        }
        if 2 * count > slots.count {
            rehash(slotCount: max(16, slots.count * 2))
        } else {
            slots[slot(of: id)] = handle.index + 1
        }
        return handle
    }

    public func handle(of id: PeerID) -> PeerHandle? {
        guard !slots.isEmpty else { return nil }
        let place = slots[slot(of: id)]
        return place == 0 ? nil : PeerHandle(index: place - 1)
    }

    @inlinable public func id(_ handle: PeerHandle) -> PeerID { contacts[Int(handle.index)].id }
    @inlinable public func key(_ handle: PeerHandle) -> DHTKey { keys[Int(handle.index)] }
    @inlinable public func contact(_ handle: PeerHandle) -> Contact {
        contacts[Int(handle.index)]
    }
    @inlinable public func addresses(_ handle: PeerHandle) -> AddressList {
        contacts[Int(handle.index)].addresses
    }
    /// Where the peer is tried first.
    @inlinable public func address(_ handle: PeerHandle) -> SocketAddress? {
        contacts[Int(handle.index)].addresses.first
    }

    /// A peer was heard from at `address`: it becomes the first to be tried.
    @inlinable public mutating func heard(_ handle: PeerHandle, at address: SocketAddress) {
        let i = Int(handle.index)
        guard contacts[i].addresses.first != address else { return }
        contacts[i].addresses.moveToFront(address)
    }

    /// Somebody says that a peer can be reached at `addresses`: tried after those known already.
    @inlinable public mutating func suggest(
        _ addresses: some Sequence<SocketAddress>, for handle: PeerHandle
    ) {
        let i = Int(handle.index)
        for address in addresses where !address.isUnusable {
            if !contacts[i].addresses.contains(address) { contacts[i].addresses.append(address) }
        }
    }

    /// An address did not answer: it is tried last from now on.
    public mutating func failed(_ handle: PeerHandle, at address: SocketAddress) {
        contacts[Int(handle.index)].addresses.moveToBack(address)
    }

    /// Forgets every peer for which `isUsed` says false. Handles of forgotten peers are reused, so
    /// the caller must know every place that holds one.
    public mutating func sweep(keeping isUsed: (PeerHandle) -> Bool) {
        for i in used.indices where used[i] {
            let handle = PeerHandle(index: UInt32(i))
            guard !isUsed(handle) else { continue }
            used[i] = false
            contacts[i].addresses = []
            free.append(UInt32(i))
        }
        rehash(slotCount: slots.count)
    }
}

// MARK: - Asking for memory

extension PeerBook {
    /// What is known of these peers will be wanted.
    package func prefetch(_ contacts: [Contact]) {
        guard !slots.isEmpty else { return }
        slots.withUnsafeBufferPointer { slots in
            for contact in contacts {
                Prefetch.ask(slots.baseAddress! + firstSlot(of: contact.id), 4)
            }
            for contact in contacts {
                let place = Int(slots[firstSlot(of: contact.id)]) - 1
                guard place >= 0 else { continue }
                prefetchContact(place)
                prefetchKey(place)
            }
        }
    }

    /// The ids and addresses of these peers will be wanted.
    package func prefetchContacts(_ peers: [PeerHandle]) {
        for peer in peers { prefetchContact(Int(peer.index)) }
    }

    /// The key of this peer will be wanted.
    package func prefetchKey(of peer: PeerHandle) { prefetchKey(Int(peer.index)) }

    private func prefetchContact(_ i: Int) {
        // The id and the best address.
        contacts.withUnsafeBufferPointer { Prefetch.ask($0.baseAddress! + i, 64) }
    }

    private func prefetchKey(_ i: Int) {
        keys.withUnsafeBufferPointer { Prefetch.ask($0.baseAddress! + i, 1) }
    }
}
