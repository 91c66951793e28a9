/// Network address translation in the terms of RFC 4787: whether the outer port depends on who is
/// spoken to (mapping), and who may answer to it (filtering). Every node behind a NAT has one of
/// its own: its outer host is the node's address, its ports are given out as they are asked for.
///
/// Only what a node sends keeps a mapping alive (RFC 4787 REQ-6 demands that and leaves the other
/// direction open). Hairpinning and NATs that several nodes share are not modelled.

import AROPrimitives

/// What of a remote endpoint a NAT looks at.
public enum NATDependence: String, Hashable, Sendable, CaseIterable {
    case endpointIndependent = "endpoint-independent"
    case addressDependent = "address-dependent"
    case addressAndPortDependent = "address-and-port-dependent"

    /// The endpoint with what does not matter left out.
    fileprivate func masked(_ remote: SocketAddress) -> SocketAddress {
        switch self {
        case .endpointIndependent: SocketAddress(high: 0, low: 0, port: 0)
        case .addressDependent: SocketAddress(high: remote.high, low: remote.low, port: 0)
        case .addressAndPortDependent: remote
        }
    }
}

public struct NATModel: Hashable, Sendable {
    public var mapping: NATDependence
    public var filtering: NATDependence
    /// Silence of the inner node after which a mapping is lost. RFC 4787 REQ-5 asks for two
    /// minutes at least; NATs of homes take 30 s to 2 min.
    public var timeout: Duration

    public init(
        mapping: NATDependence, filtering: NATDependence, timeout: Duration = .minutes(2)
    ) {
        (self.mapping, self.filtering, self.timeout) = (mapping, filtering, timeout)
    }
}

/// One NAT at work.
struct Translator {
    private var model: NATModel
    private var mappings: [SocketAddress: Mapping] = [:]
    /// The remote ends, as far as the mapping looks at them, by outer port.
    private var owners: [UInt16: SocketAddress] = [:]
    private var permits: [Permit: Instant] = [:]
    private var nextPort = UInt16(20_000)
    private var pruneAt = 64
    /// Whether remote ends are nodes, whatever the port: then there is one outer address for all.
    private let isBlunt: Bool

    private struct Mapping {
        var port: UInt16
        var usedAt: Instant
    }

    private struct Permit: Hashable {
        var port: UInt16
        var remote: SocketAddress
    }

    init(_ model: NATModel, isBlunt: Bool) {
        self.model = model
        self.isBlunt = isBlunt
        if isBlunt { self.model.mapping = .endpointIndependent }
    }

    /// The inner node sends to `remote`: from which outer port.
    mutating func sends(to remote: SocketAddress, innerPort: UInt16, at now: Instant) -> UInt16 {
        let key = model.mapping.masked(remote)
        var mapping: Mapping
        if let known = mappings[key], now - known.usedAt <= model.timeout {
            mapping = known
        } else {
            if let old = mappings[key] { owners[old.port] = nil }
            mapping = Mapping(port: freePort(innerPort), usedAt: now)
            owners[mapping.port] = key
        }
        mapping.usedAt = now
        mappings[key] = mapping
        permits[Permit(port: mapping.port, remote: model.filtering.masked(remote))] = now
        if permits.count >= pruneAt { prune(at: now) }
        return mapping.port
    }

    /// Whether what `remote` sends to the outer port reaches the inner node.
    func admits(_ remote: SocketAddress, port: UInt16, at now: Instant) -> Bool {
        let key = isBlunt ? model.mapping.masked(remote) : owners[port]
        guard let key, let mapping = mappings[key], now - mapping.usedAt <= model.timeout else {
            return false
        }
        if model.filtering == .endpointIndependent { return true }
        let permit = Permit(port: mapping.port, remote: model.filtering.masked(remote))
        guard let at = permits[permit] else { return false }
        return now - at <= model.timeout
    }

    /// The first mapping keeps the inner port, as most NATs try to; others count up.
    private mutating func freePort(_ innerPort: UInt16) -> UInt16 {
        if mappings.isEmpty { return innerPort }
        repeat { nextPort = nextPort == .max ? 20_000 : nextPort + 1 } while owners[nextPort] != nil
        return nextPort
    }

    /// What has expired goes. A real NAT has tens of thousands of ports; nobody here speaks to as
    /// many peers within a timeout.
    private mutating func prune(at now: Instant) {
        let timeout = model.timeout
        permits = permits.filter { now - $0.value <= timeout }
        mappings = mappings.filter { now - $0.value.usedAt <= timeout }
        let live = mappings
        owners = owners.filter { live[$0.value]?.port == $0.key }
        pruneAt = max(64, permits.count * 2)
    }
}

/// Who is behind a NAT.
struct Translators {
    private var places: [Int32] = []
    private var all: [Translator] = []

    var isEmpty: Bool { all.isEmpty }

    mutating func put(_ node: Int, behind model: NATModel, isBlunt: Bool) {
        while places.count <= node { places.append(-1) }
        let translator = Translator(model, isBlunt: isBlunt)
        if places[node] >= 0 {
            all[Int(places[node])] = translator
        } else {
            places[node] = Int32(all.count)
            all.append(translator)
        }
    }

    func contains(_ node: Int) -> Bool { node < places.count && places[node] >= 0 }

    /// From which port a node's datagram comes out.
    mutating func port(
        of node: Int, to remote: SocketAddress, innerPort: UInt16, at now: Instant
    ) -> UInt16 {
        guard contains(node) else { return innerPort }
        return all[Int(places[node])].sends(to: remote, innerPort: innerPort, at: now)
    }

    func admits(_ remote: SocketAddress, to node: Int, port: UInt16, at now: Instant) -> Bool {
        guard contains(node) else { return true }
        return all[Int(places[node])].admits(remote, port: port, at: now)
    }
}
