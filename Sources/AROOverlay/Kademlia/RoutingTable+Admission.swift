/// Who enters the routing table, who leaves it, and who waits.

import AROPrimitives

extension RoutingTable {
    enum Admission: Hashable, Sendable {
        case known, inserted
        /// The bucket is full. `probe` is its least recently seen contact, if that was not heard
        /// from for so long that it should prove that it lives.
        case spared(probe: PeerHandle?)
        case ourselves
        /// Too many contacts of one network.
        case network
    }

    /// A peer that completed a handshake and serves the DHT was heard from.
    mutating func heard(
        _ handle: PeerHandle, roundTrip: RoundTripClass, at now: Instant,
        _ configuration: KademliaConfiguration, _ book: borrowing PeerBook
    ) -> Admission {
        let key = book.key(handle)
        guard key != local else { return .ourselves }
        let i = bucketIndex(of: key)
        let network = cappedNetwork(of: handle, configuration, book)
        if let position = position(of: handle, key: key) {
            update(at: position) {
                $0.seen = Self.stamp(now)
                $0.failures = 0
                $0.roundTrip = $0.roundTrip.updated(by: roundTrip)
                $0.networkTag = Entry.tag(of: network)
            }
            return .known
        }
        let entry = Entry(
            handle: handle, roundTrip: roundTrip, seen: Self.stamp(now),
            shared: local.commonPrefixLength(with: key), network: network)
        guard admits(network, inBucket: i, configuration, book) else { return .network }
        if insert(entry, key: key, configuration, book) {
            spares.firstIndex { $0.handle == handle }.map { _ = removeSpare(at: $0) }
            return .inserted
        }
        spare(entry, configuration)
        let full = bucket(bucketIndex(of: key))
        return .spared(probe: probe(in: full, at: now, configuration))
    }

    private mutating func insert(
        _ entry: Entry, key: DHTKey, _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) -> Bool {
        while true {
            let i = bucketIndex(of: key)
            let range = bucket(i)
            if range.count < configuration.k {
                append(entry, toBucket: i)
                return true
            }
            if let stale = stalest(in: range, configuration) {
                replace(at: stale, by: entry)
                return true
            }
            if i == bucketCount - 1, i < Self.depthMax {
                split()
                continue
            }
            guard range.count < 2 * configuration.k,
                isAmongNearest(key, bucket: i, configuration, book)
            else { return false }
            append(entry, toBucket: i)
            return true
        }
    }

    /// Whether fewer than k contacts are nearer to us than `key`.
    private func isAmongNearest(
        _ key: DHTKey, bucket i: Int, _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) -> Bool {
        let deeper = count - Int(ends[i])
        guard deeper < configuration.k else { return false }
        let distance = local.distance(to: key)
        var nearer = deeper
        for position in bucket(i)
        where local.distance(to: book.key(entries[position].handle)) < distance { nearer += 1 }
        return nearer < configuration.k
    }

    private func stalest(in range: Range<Int>, _ configuration: KademliaConfiguration) -> Int? {
        var worst: Int?
        for position in range where isStale(entries[position], configuration) {
            if let w = worst, entries[w].failures >= entries[position].failures { continue }
            worst = position
        }
        return worst
    }

    private func probe(
        in range: Range<Int>, at now: Instant, _ configuration: KademliaConfiguration
    ) -> PeerHandle? {
        var oldest = range.lowerBound
        for position in range
        where age(entries[position], at: now) > age(entries[oldest], at: now) { oldest = position }
        guard age(entries[oldest], at: now) > configuration.trustedFor else { return nil }
        return entries[oldest].handle
    }

    // MARK: Networks

    /// Whether the caps of go-libp2p-kad-dht's diversity filter leave room for the peer's network.
    private func admits(
        _ network: UInt64?, inBucket i: Int, _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) -> Bool {
        guard let network else { return true }
        var inTable = 0
        var inBucket = 0
        let range = bucket(i)
        let tag = Entry.tag(of: network)
        for position in entries.indices where entries[position].networkTag == tag {
            let other = cappedNetwork(of: entries[position].handle, configuration, book)
            guard other == network else { continue }
            inTable += 1
            if range.contains(position) { inBucket += 1 }
        }
        return inTable < configuration.tablePerNetworkMax
            && inBucket < configuration.bucketPerNetworkMax
    }

    // MARK: Spares

    private mutating func spare(_ entry: Entry, _ configuration: KademliaConfiguration) {
        if let position = spares.firstIndex(where: { $0.handle == entry.handle }) {
            updateSpare(at: position) {
                $0.seen = entry.seen
                $0.roundTrip = $0.roundTrip.updated(by: entry.roundTrip)
            }
            return
        }
        let i = bucketIndex(sharing: entry.shared)
        var held = 0
        var oldest: Int?
        for position in spares.indices where bucketIndex(sharing: spares[position].shared) == i {
            held += 1
            oldest = oldest ?? position
        }
        if held >= configuration.sparesPerBucket, let oldest { removeSpare(at: oldest) }
        addSpare(entry)
    }

    /// Moves the fastest spare that the caps allow to the place of a stale contact.
    private mutating func promoteSpare(
        to position: Int, bucket i: Int, _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) {
        var best: Int?
        for candidate in spares.indices where bucketIndex(sharing: spares[candidate].shared) == i {
            let network = cappedNetwork(of: spares[candidate].handle, configuration, book)
            guard admits(network, inBucket: i, configuration, book) else { continue }
            if let b = best,
                spares[b].roundTrip.preference <= spares[candidate].roundTrip.preference
            {
                continue
            }
            best = candidate
        }
        if let best { replace(at: position, by: removeSpare(at: best)) }
    }

    // MARK: Failure

    /// A request to the peer was never answered (`count` 1), or the peer cannot be reached at all
    /// (`count` as many as make it stale).
    mutating func failed(
        _ handle: PeerHandle, count: Int, _ configuration: KademliaConfiguration,
        _ book: borrowing PeerBook
    ) {
        spares.firstIndex { $0.handle == handle }.map { _ = removeSpare(at: $0) }
        let key = book.key(handle)
        guard let position = position(of: handle, key: key) else { return }
        update(at: position) { $0.failures = UInt8(min(Int($0.failures) + count, 255)) }
        guard isStale(entries[position], configuration) else { return }
        promoteSpare(to: position, bucket: bucketIndex(of: key), configuration, book)
    }
}

/// The network that counts against the caps; nil where there is none or it is exempt.
func cappedNetwork(
    of handle: PeerHandle, _ configuration: KademliaConfiguration, _ book: borrowing PeerBook
) -> UInt64? {
    guard let address = book.address(handle) else { return nil }
    return cappedNetwork(of: address, configuration)
}

func cappedNetwork(of address: SocketAddress, _ configuration: KademliaConfiguration) -> UInt64? {
    address.isPrivate && configuration.privateNetworksAreExempt ? nil : address.network
}
