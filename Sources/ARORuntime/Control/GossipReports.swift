/// What the control channel says of members and topics.

/// A member of the network, as its newest announcement and our own probes tell.
public struct MemberReport: Codable, Hashable, Sendable {
    public var peer: String
    /// alive, suspected, failed or left.
    public var state: String
    /// Whether it stands in our active view: we watch each other.
    public var neighbour: Bool
    public var addresses: [String]
    public var sequence: UInt64
    /// Seconds since the statement came, or the state came to be.
    public var ageSeconds: Int64
    public var roundTripMilliseconds: Double?
    /// By network coordinates, also for peers never met.
    public var predictedMilliseconds: Double?
    public var nat: String
    public var servesDHT: Bool
    public var storageOffered: UInt64
    public var storageFree: UInt64
    /// Bytes a second; 0 where nothing was measured.
    public var bandwidthUp: UInt64
    public var bandwidthDown: UInt64
    public var models: [ModelReport]
    public var software: String
}

public struct ModelReport: Codable, Hashable, Sendable {
    public var name: String
    public var contextTokens: UInt32
    /// Millionths of the unit of account for a million tokens.
    public var inputPrice: UInt64
    public var outputPrice: UInt64
    public var slots: UInt16
    public var slotsFree: UInt16
    public var queued: UInt16
    /// From the begin of a call; 0 where nothing was measured.
    public var firstTokenMilliseconds: UInt16
}

/// Something that changed among the members.
public struct MemberEventReport: Codable, Hashable, Sendable {
    /// joined, updated, suspected, cleared, failed, refuted, left, expired, evicted, neighbour-up,
    /// neighbour-down, or missed.
    public var event: String
    /// Whom it is about; none for missed.
    public var peer: String?
    /// Where it is known.
    public var member: MemberReport?
    /// Changes that were not told, as the ones before were not read in time.
    public var missed: UInt64?
}

/// What a subscriber of a topic is told.
public struct TopicReport: Codable, Hashable, Sendable {
    public var topic: String
    /// Of a post: who published it.
    public var publisher: String?
    public var sequence: UInt64?
    /// The payload in Base64.
    public var payload: String?
    /// Posts that were missed: dropped because they were not taken in time, or lost.
    public var missed: UInt64?
    /// Posts of ours that nobody heard: there was no other subscriber.
    public var unheard: UInt64?

    public init(topic: String) { self.topic = topic }
}

/// A post that was published.
public struct PublishedReport: Codable, Hashable, Sendable {
    public var topic: String
    public var sequence: UInt64
    /// Others in the topic to whom it went at once.
    public var neighbours: Int
}
