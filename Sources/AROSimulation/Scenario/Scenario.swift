/// An experiment as data: nodes, network, workload, faults, and what is expected. One file in
/// `Simulations/` is one figure. Every default stands here.

import ARONode
import AROPrimitives

public struct Scenario: Hashable, Sendable {
    public var name = ""
    public var seed: UInt64 = 1
    public var fidelity = Fidelity.datagrams
    /// Where a calibration is played in place of the node.
    public var epidemic: EpidemicPlan?
    /// Virtual time from the first node's start to the end.
    public var duration = Duration.minutes(10)
    /// What groups with a share divide among themselves.
    public var population: Int?
    /// What all nodes run with.
    public var nodeSettings = NodeSettings()
    public var groups: [Group] = []
    public var join = JoinPlan()
    public var network = NetworkModel()
    /// The file of a region matrix or of coordinates, as it was written; nil for what is built in.
    public var matrixFile: String?
    /// Disjoint paths of look-ups that only read; nil for the node's own number.
    public var lookupPaths: Int?
    public var disk = DiskModel()
    public var workload: [Step] = []
    public var faults: [Fault] = []
    public var churn: [ChurnPlan] = []
    /// The time between two rows of the series.
    public var window = Duration.seconds(1)
    /// When all metrics are taken, beside the end.
    public var metricTimes: [Duration] = []
    /// When the graph of active views is taken.
    public var graphTimes: [Duration] = []
    /// Traffic at rest is counted from here on; nil where it is not.
    public var measureFrom: Duration?
    /// Whether every node is asked to tell of changes among members: detection of failures.
    public var watchesMembers = false
    /// Lifeguard's three parts.
    public var hasLifeguard = true
    public var expect: [Expectation] = []
    /// Other runs of the same file.
    public var sweep = Sweep()
    /// The files that it was read with.
    public var inputs: [Input] = []

    public static let nodesMax = 1_000_000
    /// Requests of one workload step.
    public static let timesMax = 10_000_000

    /// A value of the file that is replaced: where it stands, keys and list places with dots
    /// between, and what it becomes, as YAML.
    public struct Setting: Hashable, Sendable {
        public var path: String
        public var value: String

        public init(_ path: String, _ value: String) { (self.path, self.value) = (path, value) }
    }

    /// A span of time as scenarios write it, `1.5s`.
    public static func duration(_ text: String) -> Duration? { Quantity.duration(text) }

    /// How much of a node is real.
    public enum Fidelity: String, Sendable, CaseIterable {
        /// All of it, down to the bytes of each datagram.
        case datagrams
        /// Everything above the transport, whose sessions are a model: ``MessageNode``.
        case messages
    }

    /// `protocol: epidemic`: ``EpidemicNode``.
    public struct EpidemicPlan: Hashable, Sendable {
        public var fanouts: [Int] = []
        /// For each fan-out.
        public var broadcasts = 100
        /// From one to the next: longer than any lasts.
        public var every = Duration.seconds(5)
    }

    /// Nodes that are alike.
    public struct Group: Hashable, Sendable {
        public var name = "peers"
        public var count = 0
        /// Of the population, where the count follows from it.
        public var share: Chance?
        /// Whether it takes what shares leave of the population.
        public var takesRest = false
        public var settings = NodeSettings()
        public var link = AccessLink.unlimited
        /// Kept to be written again; the link holds the depths that follow from it.
        public var queue = Duration.milliseconds(100)
        /// Regions to be drawn from evenly, by number; empty for all.
        public var regions: [Int] = []
        /// How the nodes are shared out among ``regions``; empty for evenly.
        public var regionShares: [Chance] = []
        /// Each node draws its link from this class, in the place of ``link``.
        public var access: AccessClass?
        public var nat: NATPlan?
        /// nil for honest nodes.
        public var hostility: Hostility?
        /// Where it joins otherwise than the rest.
        public var join: JoinPlan?
        /// Where its nodes have models.
        public var serves: ServingPlan?
    }

    public struct JoinPlan: Hashable, Sendable {
        public enum Schedule: String, Sendable, CaseIterable {
            case allAtOnce = "all-at-once"
            /// At moments drawn evenly from the span.
            case uniform
            /// In the order of the file, each when the one before has joined or failed, the whole
            /// over the span at the soonest.
            case oneByOne = "one-by-one"
            /// Gaps drawn from one exponential law, such that all come within the span on average.
            case poisson
            /// Fewer and fewer: a rate that falls exponentially, to a fiftieth at the end of the
            /// span (Guo et al. 2005 found such arrivals at BitTorrent's swarms).
            case flashCrowd = "flash-crowd"
        }

        /// The first nodes of the first group; everyone joins through one of them.
        public var bootstrap = 1
        public var schedule = Schedule.uniform
        public var over = Duration.seconds(60)
        /// Of a group with a plan of its own: when its span begins.
        public var at = Duration.zero
    }

    /// Requests of one kind, spread over time.
    public struct Step: Hashable, Sendable {
        public enum Kind: Hashable, Sendable {
            /// A random file of this many bytes is stored on a node and provided.
            case publish(size: Int)
            /// Somebody else looks for providers of something published; of what a running node
            /// published, where `ofLive`.
            case lookup(ofLive: Bool)
            /// Somebody looks for a running node of the group (nil: of any) by its key.
            case find(of: String?)
            /// Somebody else fetches something published.
            case fetch
            /// This share of all nodes subscribes to the topic, at even intervals.
            case subscribe(Chance)
            /// A subscriber posts this many bytes to the topic; with one sender always the same, as
            /// long as it runs.
            case broadcast(size: Int, hasOneSender: Bool)
            /// Somebody calls a model, and gives up after the deadline.
            case call(model: String, deadline: Duration)
        }

        public var kind: Kind
        public var at = Duration.zero
        /// The requests are spread evenly over this span, from ``at`` on.
        public var over = Duration.zero
        public var times = 1
        /// The requests come at moments drawn from the span, as of many who know nothing of each
        /// other (a Poisson process of known count), instead of evenly.
        public var isPoisson = false
        /// Who asks: a group's name, or nil for anyone.
        public var from: String?
        /// Every node of the group asks once, when it has joined and ``at`` has come.
        public var isUponJoin = false
    }

    /// What the nodes run with.
    var configuration: Configuration {
        var configuration = Configuration.simulated
        configuration.gossip.failure.isSelfAware = hasLifeguard
        configuration.gossip.failure.hasDynamicSuspicion = hasLifeguard
        configuration.gossip.failure.hasBuddies = hasLifeguard
        if let lookupPaths { configuration.kademlia.readPaths = lookupPaths }
        nodeSettings.apply(to: &configuration)
        return configuration
    }

    public var nodeCount: Int { groups.reduce(0) { $0 + $1.count } }
}
