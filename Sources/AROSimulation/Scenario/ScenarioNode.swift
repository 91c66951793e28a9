/// What a scenario can be played with: the node itself, or a participant on a modelled transport.

import ARONode
import AROPrimitives

public protocol ScenarioNode: Inhabitant, ~Copyable {
    var id: PeerID { get }
    /// An empty world; `cohorts` say what each node is born with.
    static func world(of scenario: Scenario, _ cohorts: Cohorts) -> World<Self>
    /// How many copies of each post all nodes have sent; empty where nobody counts.
    var postCopies: [UInt64] { get }
    /// How many hops the post that came last had made.
    var lastPostHops: Int { get }
    /// Unreliable messages sent in this life, by family.
    var messagesSent: MessageTally { get }
    /// What all nodes sent so far; nil where nobody counts.
    var wireBytes: WireBytes? { get }
    /// What only who sees into all nodes can tell at the end of a run.
    static func gossipMetrics(
        of world: borrowing World<Self>, _ chance: inout Generator
    ) -> [Metric]
    /// The graph of the active views; nil where nobody sees into the nodes.
    static func overlayGraph(of world: borrowing World<Self>) -> OverlayGraph?
    /// The nodes in the routing table of one; nil where nobody can look.
    static func table(of node: Int, in world: borrowing World<Self>) -> [Int]?
    /// What the world weighs, by part, the heaviest first; empty where nobody counts.
    static func weights(of world: borrowing World<Self>) -> [WeightOfPart]
}

extension ScenarioNode where Self: ~Copyable {
    public var messagesSent: MessageTally { MessageTally() }
    public var wireBytes: WireBytes? { nil }
    public static func weights(of world: borrowing World<Self>) -> [WeightOfPart] { [] }
}

extension Node: ScenarioNode {
    public var messagesSent: MessageTally { messagesOut }
    public static func world(of scenario: Scenario, _ cohorts: Cohorts) -> World<Node> {
        .ofNodes(
            seed: scenario.seed, network: scenario.network, disk: scenario.disk,
            cohorts: cohorts)
    }
    public var postCopies: [UInt64] { [] }
    public var lastPostHops: Int { 0 }
    public static func gossipMetrics(
        of world: borrowing World<Node>, _ chance: inout Generator
    ) -> [Metric] { [] }
    public static func overlayGraph(of world: borrowing World<Node>) -> OverlayGraph? { nil }
    public static func table(of node: Int, in world: borrowing World<Node>) -> [Int]? { nil }
}

extension MessageNode: ScenarioNode {
    public static func world(of scenario: Scenario, _ cohorts: Cohorts) -> World<MessageNode> {
        .ofMessages(
            seed: scenario.seed, network: scenario.network, disk: scenario.disk,
            configuration: scenario.configuration, cohorts: cohorts)
    }
    public var postCopies: [UInt64] { commons.posts.counts }
    public var wireBytes: WireBytes? { commons.wire }
    public var messagesSent: MessageTally {
        var tally = MessageTally()
        tally.kademlia = messages.sent.kademlia.messages
        tally.membership = messages.sent.membership.messages
        tally.announcement = messages.sent.announcement.messages
        tally.topic = messages.sent.topic.messages
        return tally
    }
    public static func gossipMetrics(
        of world: borrowing World<MessageNode>, _ chance: inout Generator
    ) -> [Metric] { world.gossipMetrics(&chance) }
    public static func overlayGraph(of world: borrowing World<MessageNode>) -> OverlayGraph? {
        world.overlayGraph { $0.activeView }
    }
    public static func weights(of world: borrowing World<MessageNode>) -> [WeightOfPart] {
        world.weights
    }
    public static func table(of node: Int, in world: borrowing World<MessageNode>) -> [Int]? {
        let nodes = world.nodeCount
        return world.withResident(node) { resident in
            resident.withParticipant { participant, book in
                (0..<nodes).filter {
                    participant.isInTable(PeerHandle(index: UInt32($0)), book: book)
                }
            }
        }
    }
}
