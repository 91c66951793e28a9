/// A world of real nodes: the same code that `aro` runs, handshakes and all.

import AROCrypto
import ARONode
import AROOverlay
import AROPrimitives

extension World where Resident == Node {
    /// A world in which every node is a ``Node`` with this configuration.
    public static func ofNodes(
        seed: UInt64, network: NetworkModel = NetworkModel(), disk: DiskModel = DiskModel(),
        configuration: Configuration = .simulated
    ) -> World<Node> {
        let (pool, shared) = (StatementPool(), SharedConfiguration(configuration))
        return World(seed: seed, network: network, disk: disk) { Node($0, shared, pool) }
    }

    /// A world in which nodes of different cohorts have different configurations.
    static func ofNodes(
        seed: UInt64, network: NetworkModel, disk: DiskModel, cohorts: Cohorts
    ) -> World<Node> {
        let pool = StatementPool()
        return World(seed: seed, network: network, disk: disk) {
            Node($0, cohorts.sharedConfiguration(of: $0.node), pool)
        }
    }
}

extension Node {
    fileprivate init(
        _ birth: Birth, _ configuration: SharedConfiguration, _ pool: StatementPool
    ) {
        var identityEntropy = Entropy(seed: birth.identitySeed)
        self.init(
            configuration: configuration, addresses: birth.knownAddresses,
            identity: Identity(from: &identityEntropy),
            entropy: Entropy(seed: birth.entropySeed), seed: birth.chanceSeed, pool: pool,
            at: birth.now, wallClock: birth.wallClock)
    }
}

extension Configuration {
    /// What a simulated node runs with: the defaults, but with one cipher on every machine, as the
    /// bytes of a datagram are part of the trace.
    public static var simulated: Configuration {
        var configuration = Configuration()
        configuration.transport.endpoint.allowsAES = false
        return configuration
    }
}
