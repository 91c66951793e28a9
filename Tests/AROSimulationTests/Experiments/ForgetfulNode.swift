/// The worked example of Docs/Simulation.md: a variant of the node with a checker of its own. It uses
/// nothing but what the library offers to everybody.
///
/// The variant has a bug: who was killed and started again takes no more requests, so that it never
/// joins. The checker counts such nodes under a name of its own, `own_deaf_nodes`.

import AROCrypto
import ARONode
import AROPrimitives
import AROSimulation

struct ForgetfulNode: ~Copyable {
    private var node: Node
    private let isForgetful: Bool
    /// Whether it was asked something and did not hear it.
    private(set) var isDeaf = false

    init(_ birth: Birth, _ configuration: Configuration) {
        var entropy = Entropy(seed: birth.identitySeed)
        node = Node(
            configuration: configuration, identity: Identity(from: &entropy),
            entropy: Entropy(seed: birth.entropySeed), seed: birth.chanceSeed, at: birth.now,
            wallClock: birth.wallClock)
        isForgetful = birth.life > 0
    }
}

/// What a world needs of who lives in it: inputs are handed on, but for the bug.
extension ForgetfulNode: Inhabitant {
    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox) {
        switch input {
        case .request(_, _) where isForgetful: isDeaf = true
        default: node.handle(input, at: now, into: &outbox)
        }
    }

    mutating func flush(at now: Instant, into outbox: inout Outbox) {
        node.flush(at: now, into: &outbox)
    }

    var nextDeadline: Wake? { node.nextDeadline }
}

/// What a scenario needs: a world of them, and what only who sees into all of them can tell.
extension ForgetfulNode: ScenarioNode {
    var id: PeerID { node.id }
    var postCopies: [UInt64] { [] }
    var lastPostHops: Int { 0 }

    static func world(of scenario: Scenario, _ cohorts: Cohorts) -> World<ForgetfulNode> {
        World(seed: scenario.seed, network: scenario.network, disk: scenario.disk) {
            ForgetfulNode($0, cohorts.configuration(of: $0.node))
        }
    }

    static func gossipMetrics(
        of world: borrowing World<ForgetfulNode>, _ chance: inout Generator
    ) -> [Metric] {
        var deaf = 0
        for node in 0..<world.nodeCount where world.withResident(node, { $0.isDeaf }) == true {
            deaf += 1
        }
        return [Metric("own_deaf_nodes", .count, Double(deaf))]
    }

    static func overlayGraph(of world: borrowing World<ForgetfulNode>) -> OverlayGraph? { nil }
    static func table(of node: Int, in world: borrowing World<ForgetfulNode>) -> [Int]? { nil }
}

/// Plays a scenario with the variant in the place of the node.
func playForgetful(_ scenario: Scenario) -> Report {
    ScenarioRun<ForgetfulNode>(scenario).play(clock: { 0 }).report
}
