/// How many nodes of a group are behind a NAT, and behind which.

import AROPrimitives

public struct NATPlan: Hashable, Sendable {
    /// The kinds that are met, by the names of RFC 3489 and RFC 4787.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// One outer address, open to all.
        case fullCone = "full-cone"
        /// One outer address, open to hosts that were spoken to.
        case restricted
        /// One outer address, open to endpoints that were spoken to: what most homes have.
        case portRestricted = "port-restricted"
        /// An outer address for each host spoken to, and open to it.
        case addressDependent = "address-dependent"
        /// An outer address for each endpoint spoken to, and open to it.
        case symmetric

        func model(timeout: Duration) -> NATModel {
            switch self {
            case .fullCone: NATModel(.endpointIndependent, .endpointIndependent, timeout)
            case .restricted: NATModel(.endpointIndependent, .addressDependent, timeout)
            case .portRestricted:
                NATModel(.endpointIndependent, .addressAndPortDependent, timeout)
            case .addressDependent: NATModel(.addressDependent, .addressDependent, timeout)
            case .symmetric:
                NATModel(.addressAndPortDependent, .addressAndPortDependent, timeout)
            }
        }
    }

    /// Of all nodes of the group; the rest is open.
    public var shares: [Share]
    /// Each NAT forgets after a time drawn from these bounds: 30 s to 2 min are met at homes.
    public var timeout: ClosedRange<Duration> = .seconds(30)...(.minutes(2))

    public struct Share: Hashable, Sendable {
        public var kind: Kind
        public var share: Chance

        public init(_ kind: Kind, _ share: Chance) { (self.kind, self.share) = (kind, share) }
    }

    public init(_ shares: [Share]) { self.shares = shares }

    /// Half of all nodes (Trautwein et al. 2022 could never reach 45.5 % of IPFS's peers); of these
    /// three quarters with one outer address, a fifth symmetric, engineering values.
    public static let usual = NATPlan([
        Share(.portRestricted, Chance(partsPerMillion: 375_000)),
        Share(.addressDependent, Chance(partsPerMillion: 25_000)),
        Share(.symmetric, Chance(partsPerMillion: 100_000)),
    ])

    /// The NAT of one node; nil for none.
    func draw(_ chance: inout Generator) -> NATModel? {
        var place = chance.below(1_000_000)
        let timeout = chance.between(timeout.lowerBound, timeout.upperBound)
        for one in shares {
            place -= one.share.partsPerMillion
            if place < 0 { return one.kind.model(timeout: timeout) }
        }
        return nil
    }
}

extension NATModel {
    fileprivate init(_ mapping: NATDependence, _ filtering: NATDependence, _ timeout: Duration) {
        self.init(mapping: mapping, filtering: filtering, timeout: timeout)
    }
}
