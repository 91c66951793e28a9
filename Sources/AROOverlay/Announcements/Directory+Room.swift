/// Who makes room in a full directory. An identity costs nothing, an address costs something: so
/// the most crowded endpoint (address and port) above its cap pays first, then the most crowded
/// host, then the most crowded network, which is max-min fairness among them; only where none is
/// above its cap all are in it alike. Of those who pay, the one of the largest keyed hash goes, and
/// if that is the newcomer, he is refused. So a flood of identities from one address competes
/// with itself. What a statement says of its author's address is not proven: who claims many
/// addresses is limited by the sample's fairness alone.

import AROPrimitives
import AROWire

extension Directory {
    /// Whom the directory would give up.
    enum Room: Hashable {
        case free
        case instead(of: Int)
        case none
    }

    /// How the keys of an address are made.
    func source(of addresses: [SocketAddress], exemptsPrivate: Bool) -> Source {
        guard let address = addresses.first else {
            // All who do not say where they are share one place.
            return Source(endpoint: 0, host: 1, network: 1)
        }
        let host = hash(address.high, address.low)
        let exempt = exemptsPrivate && address.isPrivate
        return Source(
            endpoint: Self.key(hash(host, UInt64(address.port))), host: Self.key(host),
            network: exempt ? 0 : Self.key(hash(address.network, 1)))
    }

    private static func key(_ hash: UInt64) -> UInt32 { max(UInt32(truncatingIfNeeded: hash), 2) }

    mutating func tally(_ source: Source, by step: Int) {
        Self.tally(&perEndpoint, source.endpoint, step)
        Self.tally(&perHost, source.host, step)
        Self.tally(&perNetwork, source.network, step)
    }

    private static func tally(_ tally: inout Tally<UInt32>, _ key: UInt32, _ step: Int) {
        guard key != 0 else { return }
        if step > 0 { tally.add(key) } else { tally.remove(key) }
    }

    /// Counts who shares what, from now on at every change.
    private mutating func tallyAll() {
        guard !isTallied else { return }
        isTallied = true
        let counted = rows.filter { $0.peer != own }
        perEndpoint = Tally(counting: counted.map(\.source.endpoint).filter { $0 != 0 })
        perHost = Tally(counting: counted.map(\.source.host).filter { $0 != 0 })
        perNetwork = Tally(counting: counted.map(\.source.network).filter { $0 != 0 })
    }

    /// Room for a newcomer of this place and source.
    mutating func room(
        for place: UInt64, _ source: Source, protecting neighbours: borrowing NeighbourTable,
        _ configuration: AnnouncementConfiguration
    ) -> Room {
        guard isFull else { return .free }
        tallyAll()
        if let ended = oldestEnded { return .instead(of: ended) }
        let payers = payers(with: source, configuration)
        let isPayer = payers.contains(source)
        guard let largest = largest(of: payers, protecting: neighbours) else { return .none }
        if isPayer, rank(of: place) >= rows[largest].rank { return .none }
        return .instead(of: largest)
    }

    /// Whether there is no room for a newcomer of this place, whatever its source: no address is at
    /// its cap, and everybody kept ranks before it. Most strangers' statements end here, unread.
    mutating func refuses(
        _ place: UInt64, protecting neighbours: borrowing NeighbourTable,
        _ configuration: AnnouncementConfiguration
    ) -> Bool {
        guard isFull, counts.failed + counts.left == 0 else { return false }
        tallyAll()
        guard perEndpoint.mostCount < configuration.perEndpointMax,
            perHost.mostCount < configuration.perHostMax,
            perNetwork.mostCount < configuration.perNetworkMax
        else { return false }
        return rank(of: place) >= rankBound(protecting: neighbours)
    }

    /// Whether the place of an unknown peer might get a place, by its rank alone.
    mutating func rankBound(protecting neighbours: borrowing NeighbourTable) -> UInt64 {
        guard isFull, oldestEnded == nil else { return .max }
        guard let largest = largest(of: .all, protecting: neighbours) else { return 0 }
        return rows[largest].rank
    }

    private enum Payers {
        case all
        case endpoint(UInt32)
        case host(UInt32)
        case network(UInt32)

        func contains(_ source: Source) -> Bool {
            switch self {
            case .all: true
            case .endpoint(let key): source.endpoint == key
            case .host(let key): source.host == key
            case .network(let key): source.network == key
            }
        }
    }

    /// The addresses that pay when one more of `source` comes.
    private func payers(
        with source: Source, _ configuration: AnnouncementConfiguration
    ) -> Payers {
        if let key = crowded(perEndpoint, source.endpoint, cap: configuration.perEndpointMax) {
            return .endpoint(key)
        }
        if let key = crowded(perHost, source.host, cap: configuration.perHostMax) {
            return .host(key)
        }
        if let key = crowded(perNetwork, source.network, cap: configuration.perNetworkMax) {
            return .network(key)
        }
        return .all
    }

    private func crowded(_ tally: Tally<UInt32>, _ new: UInt32, cap: Int) -> UInt32? {
        // With one more nobody is above it.
        guard tally.mostCount >= cap else { return nil }
        let newCount = new == 0 ? 0 : tally[new] + 1
        guard max(newCount, tally.mostCount) > cap else { return nil }
        return newCount >= tally.mostCount ? new : tally.most
    }

    /// The row that goes first, kept: a full directory asks for it with every digest.
    struct Crest {
        fileprivate var row: Int?
        fileprivate var version: (rows: UInt64, neighbours: UInt64)?
    }

    private mutating func largest(
        of payers: Payers, protecting neighbours: borrowing NeighbourTable
    ) -> Int? {
        guard case .all = payers else { return search(payers, protecting: neighbours) }
        if let known = crest.version, known == (version, neighbours.version) { return crest.row }
        crest.row = search(.all, protecting: neighbours)
        crest.version = (version, neighbours.version)
        return crest.row
    }

    private func search(
        _ payers: Payers, protecting neighbours: borrowing NeighbourTable
    ) -> Int? {
        var best: Int?
        for i in rows.indices where payers.contains(rows[i].source) {
            if let best, rows[best].rank > rows[i].rank { continue }
            if !isOwn(i), !neighbours.contains(rows[i].peer) { best = i }
        }
        return best
    }

    private var oldestEnded: Int? {
        guard counts.failed + counts.left > 0 else { return nil }
        var best: Int?
        for i in rows.indices where rows[i].state != .alive && !isOwn(i) {
            if let best, rows[best].since <= rows[i].since { continue }
            best = i
        }
        return best
    }
}
