/// What the local user asks of the node, and what the node answers.
///
/// A request is answered by replies that carry its id; exactly one of them is final
/// (``Reply/isFinal``). Cancelling a request ends it without a final reply.

import AROContent
import AROInference
import AROOverlay
import AROPrimitives
import AROWire

public struct RequestID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
    public static func < (a: RequestID, b: RequestID) -> Bool { a.number < b.number }
}

public enum Request: Sendable {
    /// Join the network through these addresses. Replies: ``Reply/joined(peers:)`` or a failure.
    case join([SocketAddress])
    /// Tell the network that we hold `root`, now and until withdrawn. Replies: ``Reply/held(by:of:)``.
    case provide(CID)
    /// Tell the network again what we hold, after a restart; spread over time. Replies: `done`.
    case resumeProviding([CID])
    /// Stop renewing the records of `root`. Replies: `done`.
    case withdraw(CID)
    /// Who holds `root`. Replies: ``Reply/provider(_:)`` for each as it is found, then
    /// ``Reply/searched(_:)``.
    case findProviders(CID, limit: Int)
    /// Fetch content into the local store. Replies: ``Reply/fetch(_:)`` until finished or failed.
    indirect case fetch(FetchOptions)
    /// Sign and publish a mutable name of ours. Replies: ``Reply/held(by:of:)``.
    case publishName(label: String, target: CID, sequence: UInt64, lifetime: Duration)
    /// The newest valid record of a name. Replies: ``Reply/name(target:sequence:expires:)``.
    case resolveName(PeerID, label: String)
    /// The `k` live peers nearest to a key. Replies: ``Reply/closest(_:_:)``.
    case lookup(DHTKey)
    /// Replies: ``Reply/peers(_:)``.
    case peers
    /// Replies: ``Reply/status(_:)``.
    case status
    /// The members that announced themselves. Replies: ``Reply/members(_:)``.
    case members
    /// What changes among the members. Replies: ``Reply/memberChanged(_:_:_:)`` until cancelled. Say
    /// by ``consumed(_:_:)`` when changes were taken: only so many are given ahead.
    case watchMembers
    /// What we offer from now on. Replies: `done`.
    indirect case offer(Offer)
    /// Subscribe to a topic. Replies: ``Reply/topic(_:)`` until cancelled. Say by ``consumed(_:_:)``
    /// when posts were taken: only so many are given ahead.
    case subscribe(TopicID, SubscriptionOptions)
    /// The subscriber with this request took so many posts, who watches members so many changes, or
    /// the user of this call so many bytes of output. Replies: `done`.
    case consumed(RequestID, Int)
    /// Publish a post. Replies: ``Reply/published(sequence:neighbours:)``.
    case post(TopicID, [UInt8])
    /// Answer calls of these models from now on, and of no others: each by ``Effect/backend(_:)``.
    /// Replies: `done`.
    case serve([ServedModel])
    /// Call a model. Replies: ``Reply/call(_:)`` until finished or failed. Say by ``consumed(_:_:)``
    /// when bytes of output were taken: only so many are given ahead. Cancelling hangs up.
    indirect case call(CallRequest)
    /// The call with this request was interrupted and is to go on with this body. Replies: `done`.
    case resume(RequestID, body: [UInt8])
    /// The models that are offered by anyone known. Replies: ``Reply/models(_:)``.
    case models
    /// How we stand with those we served and were served by. Replies: ``Reply/accounts(_:)``.
    case accounts
    /// What earlier lives recorded; before the first call. Replies: `done`.
    case restore(Ledger)
}

public enum Reply: Sendable {
    case joined(peers: Int)
    /// A record was stored and read back: held by `held` of the `wanted` nearest peers.
    case held(by: Int, of: Int)
    case provider(Contact)
    case fetch(FetchEvent)
    case name(target: CID, sequence: UInt64, expires: UnixTime)
    case closest([Contact], KademliaReport)
    /// A search for providers is over.
    case searched(KademliaReport)
    case peers([PeerStatus])
    case status(NodeStatus)
    case members([MemberStatus])
    case memberChanged(MemberChange, PeerID, MemberStatus?)
    /// So many changes were not told here: who watches took the ones before too slowly.
    case membersMissed(Int)
    case topic(TopicNews)
    /// A post went to so many others in the topic; to nobody yet where there is none.
    case published(sequence: UInt64, neighbours: Int)
    case call(CallEvent)
    case models([ModelStatus])
    case accounts([PeerBalance])
    case done
    case failed(RequestFailure)

    public var isFinal: Bool {
        switch self {
        case .provider, .memberChanged, .membersMissed, .topic: false
        case .fetch(let event): event.isFinal
        case .call(let event): event.isFinal
        default: true
        }
    }
}

/// Why a request failed; the description is for the user.
public enum RequestFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// None of the bootstrap addresses answered.
    case bootstrapUnreachable([SocketAddress])
    /// There is no peer to ask.
    case noPeers
    case nameNotFound
    case tooManyRequests
    /// More is published than the configuration allows.
    case tooManyPublications
    case invalidName
    case shuttingDown
    case topic(TopicFailure)
    /// A topic's name is empty or too long.
    case invalidTopic

    public var description: String {
        switch self {
        case .bootstrapUnreachable(let addresses):
            "no answer from " + addresses.map(\.description).joined(separator: ", ")
        case .noPeers: "this node knows no other peer; join by --bootstrap HOST:PORT"
        case .nameNotFound: "no valid record of this name was found"
        case .tooManyRequests: "too many requests are under way"
        case .tooManyPublications: "this node publishes as much as it may"
        case .invalidName: "a name has 1 to 63 bytes and lives for at least a second"
        case .shuttingDown: "the node is shutting down"
        case .invalidTopic: "a topic's name has 1 to \(WireLimits.topicNameMax) bytes"
        case .topic(.tooManyTopics): "this node is in as many topics as it may be"
        case .topic(.payloadTooLarge):
            "a post is at most \(WireLimits.topicPayloadMax) bytes; publish the CID of what is larger"
        case .topic(.tooFast): "posts are published faster than neighbours accept"
        case .topic(.alreadySubscribed): "this subscriber has subscribed to the topic already"
        case .topic(.tooManySubscribers): "the topic has as many local subscribers as it may have"
        case .topic(.noGossip): "this node takes no part in gossip"
        }
    }
}

extension RequestFailure {
    init(_ failure: KademliaFailure) {
        switch failure {
        case .noPeers: self = .noPeers
        case .nameNotFound: self = .nameNotFound
        case .tooManyOperations: self = .tooManyRequests
        case .tooManyPublications: self = .tooManyPublications
        case .invalidName: self = .invalidName
        }
    }
}

/// One row of `aro peers`.
public struct PeerStatus: Hashable, Sendable {
    public var id: PeerID
    public var address: SocketAddress
    /// Whether a session is open now.
    public var isConnected: Bool
    /// Whether it stands in the routing table.
    public var isInTable: Bool
    /// Smoothed round-trip time, where it was measured.
    public var roundTrip: Duration?
    public var bytesIn, bytesOut: UInt64
    /// Packets of the session that is open, and how many of them were given up for lost.
    public var packetsOut: UInt64 = 0
    public var packetsLost: UInt64 = 0

    public init(
        id: PeerID, address: SocketAddress, isConnected: Bool, isInTable: Bool,
        roundTrip: Duration?, bytesIn: UInt64, bytesOut: UInt64
    ) {
        (self.id, self.address, self.isConnected) = (id, address, isConnected)
        (self.isInTable, self.roundTrip) = (isInTable, roundTrip)
        (self.bytesIn, self.bytesOut) = (bytesIn, bytesOut)
    }
}

/// The counters behind `aro status`.
public struct NodeStatus: Hashable, Sendable {
    public var id: PeerID
    /// Our address as peers see it, by most reports.
    public var observedAddress: SocketAddress?
    /// No known peer answers any more: time to try the bootstrap addresses again.
    public var isIsolated = false
    public var sessions = 0
    public var tablePeers = 0
    /// Members that announced themselves and are held for alive, without us.
    public var members = 0
    /// Of the active and of the passive view.
    public var neighbours = 0
    public var passivePeers = 0
    /// Swarms of topics that we are in.
    public var topics = 0
    /// Lifeguard's local health: 0 is well, 8 is the worst.
    public var localHealth = 0
    public var recordsHeld = 0
    public var rootsProvided = 0
    public var fetchesRunning = 0
    public var datagramsIn: UInt64 = 0
    public var datagramsOut: UInt64 = 0
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    /// Unreliable messages that were given to sessions.
    public var messagesOut = MessageTally()
    /// What was dropped and why, by stable names, in the order of the names.
    public var drops: [Drop] = []

    public struct Drop: Hashable, Sendable {
        public var reason: String
        public var count: UInt64
        public init(reason: String, count: UInt64) { (self.reason, self.count) = (reason, count) }
    }

    public init(id: PeerID) { self.id = id }
}
