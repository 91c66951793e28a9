/// What is said over the control channel. Every message is a JSON object with one key, which names
/// it: `{"put":{…}}`. One connection carries one request; hanging up cancels it.

import AROPrimitives
import Foundation

package struct ControlRequest: Codable, Hashable, Sendable {
    package var version: Int
    package var command: ControlCommand

    package init(_ command: ControlCommand) {
        (version, self.command) = (ControlLimits.version, command)
    }
}

package enum ControlCommand: Codable, Hashable, Sendable {
    /// Store the file or directory at `path`, or the bytes that follow up to ``ControlEvent/end``.
    case put(path: String?)
    /// Fetch, then send the content: ``ControlEvent/entry(_:)`` and bytes for each file of it.
    /// `patience`: seconds without a new block until the fetch fails; nil for the node's own.
    case get(
        root: String, path: [String], from: UInt64?, to: UInt64?, publisher: String?,
        patience: Double? = nil)
    case list(root: String?, path: [String])
    case providers(root: String, limit: Int)
    case pinAdd(root: String)
    case pinRemove(root: String)
    case pinList
    case publish(label: String, target: String)
    case resolve(peer: String, label: String)
    /// Answered by the proof's bytes.
    case prove(root: String, path: [String], offset: UInt64?)
    case peers
    case members
    /// The members, then what changes, until the client hangs up.
    case watchMembers
    /// - Parameter payload: Base64.
    case topicPublish(topic: String, payload: String)
    /// What is published, until the client hangs up.
    case topicSubscribe(topic: String, ordered: Bool)
    /// The models that are offered, an offer an event.
    case models
    /// The request's body follows up to ``ControlEvent/end``. Answered by ``ControlEvent/call(_:)``
    /// and bytes; after an interruption another body may follow.
    case call(CallQuestion)
    /// The latest, or all of one call.
    ///
    /// - Parameter key: 32 hexadecimal digits.
    case receipts(key: String?, limit: Int)
    case accounts
    case status
    /// Answered by a ``ControlEvent/finding(_:)`` for each thing that was looked at.
    case doctor
    case id
}

package enum ControlEvent: Hashable, Sendable {
    /// From the client: the bytes of a `put` end here.
    case end
    case progress(ProgressReport)
    case put(PutReport)
    case entry(EntryReport)
    case root(RootReport)
    case provider(ProviderReport)
    case held(HeldReport)
    case name(NameReport)
    case peer(PeerReport)
    case member(MemberReport)
    case memberEvent(MemberEventReport)
    case topic(TopicReport)
    case published(PublishedReport)
    case offer(OfferReport)
    case call(CallStep)
    case receipt(ReceiptReport)
    case account(AccountReport)
    case status(StatusReport)
    case finding(Finding)
    case id(IdentityReport)
    /// The last event of a request that succeeded.
    case done
    /// The last event of one that did not.
    case failed(FailureReport)
}

/// How far a job is.
public struct ProgressReport: Codable, Hashable, Sendable {
    public enum Phase: String, Codable, Sendable { case importing, announcing, fetching, sending }

    public var phase: Phase
    public var done: UInt64
    public var total: UInt64?
    /// Peers that are serving us.
    public var providers: Int?
    /// Bytes that came over the network.
    public var fetched: UInt64?

    public init(
        phase: Phase, done: UInt64, total: UInt64? = nil, providers: Int? = nil,
        fetched: UInt64? = nil
    ) {
        (self.phase, self.done, self.total) = (phase, done, total)
        (self.providers, self.fetched) = (providers, fetched)
    }
}

public struct PutReport: Codable, Hashable, Sendable {
    public var cid: String
    public var bytes: UInt64
    /// Peers seen to keep the record that says who holds the content, of `wanted` that should.
    public var holders: Int
    public var wanted: Int
}

public struct EntryReport: Codable, Hashable, Sendable {
    /// From the content asked for; empty for that itself.
    public var path: [String]
    public var kind: ContentEntry.Kind
    public var cid: String
    public var bytes: UInt64?
    /// Where a symbolic link points.
    public var target: String?

    public init(
        path: [String], kind: ContentEntry.Kind, cid: String, bytes: UInt64? = nil,
        target: String? = nil
    ) {
        (self.path, self.kind, self.cid) = (path, kind, cid)
        (self.bytes, self.target) = (bytes, target)
    }
}

public struct RootReport: Codable, Hashable, Sendable {
    public var cid: String
    public var bytes: UInt64?
    public var name: String
    public var pinned: Bool
}

public struct ProviderReport: Codable, Hashable, Sendable {
    public var peer: String
    public var addresses: [String]
}

public struct HeldReport: Codable, Hashable, Sendable {
    public var holders: Int
    public var wanted: Int
}

public struct NameReport: Codable, Hashable, Sendable {
    public var cid: String
    public var sequence: UInt64
    /// Seconds since 1970.
    public var expires: Int64
}

public struct PeerReport: Codable, Hashable, Sendable {
    public var peer: String
    public var address: String
    public var connected: Bool
    public var inTable: Bool
    public var roundTripMilliseconds: Double?
    /// alive, suspected, failed or left; nil where it has not announced itself.
    public var state: String?
    /// By network coordinates.
    public var predictedMilliseconds: Double?
    public var models: [ModelReport]
    public var bytesIn: UInt64
    public var bytesOut: UInt64
}

public struct StatusReport: Codable, Hashable, Sendable {
    public var peer: String
    public var addresses: [String]
    public var observedAddress: String?
    public var process: Int32
    public var uptimeSeconds: Double
    public var sessions: Int
    public var members: Int
    public var neighbours: Int
    public var passivePeers: Int
    public var topics: Int
    public var localHealth: Int
    public var tablePeers: Int
    public var recordsHeld: Int
    public var rootsProvided: Int
    public var fetchesRunning: Int
    public var datagramsIn: UInt64
    public var datagramsOut: UInt64
    public var bytesIn: UInt64
    public var bytesOut: UInt64
    public var storeBytes: UInt64
    public var storeBlocks: UInt64
    public var quota: UInt64?
    public var drops: [String: UInt64]
}

public struct IdentityReport: Codable, Hashable, Sendable {
    public var peer: String
    public var addresses: [String]
    public var dataDirectory: String
}

public struct FailureReport: Codable, Hashable, Sendable, Error, CustomStringConvertible {
    public enum Code: String, Codable, Sendable, CaseIterable {
        case failed
        /// The words of the request make no sense.
        case usage
        /// Nobody holds it, or no such name.
        case notFound
        /// What came is not what was demanded.
        case unverified
        /// The disk or the quota is full.
        case full
        /// Too much is under way.
        case busy
        /// The other side is of another version.
        case version
    }

    public var code: Code
    /// For the user.
    public var message: String

    public init(_ code: Code, _ message: String) { (self.code, self.message) = (code, message) }

    public var description: String { message }
}

// MARK: - One key names the message

extension ControlEvent: Codable {
    private enum Key: String, CodingKey {
        case end, progress, put, entry, root, provider, held, name, peer, member, memberEvent
        case topic, published, offer, call, receipt, account, status, finding, id, done, failed
    }

    private struct Nothing: Codable {}

    package init(from decoder: any Decoder) throws {
        let all = try decoder.container(keyedBy: Key.self)
        guard let key = all.allKeys.first, all.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not one known key"))
        }
        switch key {
        case .end: self = .end
        case .progress: self = .progress(try all.decode(ProgressReport.self, forKey: key))
        case .put: self = .put(try all.decode(PutReport.self, forKey: key))
        case .entry: self = .entry(try all.decode(EntryReport.self, forKey: key))
        case .root: self = .root(try all.decode(RootReport.self, forKey: key))
        case .provider: self = .provider(try all.decode(ProviderReport.self, forKey: key))
        case .held: self = .held(try all.decode(HeldReport.self, forKey: key))
        case .name: self = .name(try all.decode(NameReport.self, forKey: key))
        case .peer: self = .peer(try all.decode(PeerReport.self, forKey: key))
        case .member: self = .member(try all.decode(MemberReport.self, forKey: key))
        case .memberEvent:
            self = .memberEvent(try all.decode(MemberEventReport.self, forKey: key))
        case .topic: self = .topic(try all.decode(TopicReport.self, forKey: key))
        case .published: self = .published(try all.decode(PublishedReport.self, forKey: key))
        case .offer: self = .offer(try all.decode(OfferReport.self, forKey: key))
        case .call: self = .call(try all.decode(CallStep.self, forKey: key))
        case .receipt: self = .receipt(try all.decode(ReceiptReport.self, forKey: key))
        case .account: self = .account(try all.decode(AccountReport.self, forKey: key))
        case .status: self = .status(try all.decode(StatusReport.self, forKey: key))
        case .finding: self = .finding(try all.decode(Finding.self, forKey: key))
        case .id: self = .id(try all.decode(IdentityReport.self, forKey: key))
        case .done: self = .done
        case .failed: self = .failed(try all.decode(FailureReport.self, forKey: key))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var all = encoder.container(keyedBy: Key.self)
        switch self {
        case .end: try all.encode(Nothing(), forKey: .end)
        case .progress(let report): try all.encode(report, forKey: .progress)
        case .put(let report): try all.encode(report, forKey: .put)
        case .entry(let report): try all.encode(report, forKey: .entry)
        case .root(let report): try all.encode(report, forKey: .root)
        case .provider(let report): try all.encode(report, forKey: .provider)
        case .held(let report): try all.encode(report, forKey: .held)
        case .name(let report): try all.encode(report, forKey: .name)
        case .peer(let report): try all.encode(report, forKey: .peer)
        case .member(let report): try all.encode(report, forKey: .member)
        case .memberEvent(let report): try all.encode(report, forKey: .memberEvent)
        case .topic(let report): try all.encode(report, forKey: .topic)
        case .published(let report): try all.encode(report, forKey: .published)
        case .offer(let report): try all.encode(report, forKey: .offer)
        case .call(let step): try all.encode(step, forKey: .call)
        case .receipt(let report): try all.encode(report, forKey: .receipt)
        case .account(let report): try all.encode(report, forKey: .account)
        case .status(let report): try all.encode(report, forKey: .status)
        case .finding(let finding): try all.encode(finding, forKey: .finding)
        case .id(let report): try all.encode(report, forKey: .id)
        case .done: try all.encode(Nothing(), forKey: .done)
        case .failed(let report): try all.encode(report, forKey: .failed)
        }
    }
}

package enum ControlJSON {
    /// One line, keys in order, without its newline.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    package static func decode<T: Decodable>(_ type: T.Type, from line: [UInt8]) throws -> T {
        try JSONDecoder().decode(type, from: Data(line))
    }
}
