/// What happened in a world, event by event, each with the event that caused it: for who plays a
/// run again. An ordinary run has none.
///
/// Causes are those of Lamport's happened-before (1978): a datagram's is the event in whose course
/// it was sent, a timer's the one that set it, a disk's answer's the one that asked.

import ARONode
import AROPrimitives

public final class EventLog {
    public struct Entry: Hashable, Sendable {
        /// Counted from 1.
        public var number: UInt64
        public var at: Duration
        public var kind: String
        public var node: Int
        /// Who sent the datagram.
        public var sender: Int?
        /// The number of the event that caused it; nil for a request, and for the clock.
        public var cause: UInt64?
        /// Bytes of a datagram, the number of a request.
        public var detail: UInt64
        /// The hash of all events before this one.
        public var trace: TraceHash
    }

    /// What a node answered in the course of an event.
    public struct Answer: Hashable, Sendable {
        public var event: UInt64
        public var node: Int
        public var request: UInt64
        public var text: String
        public var isFinal: Bool
        /// The scenario's broadcast that was delivered with it.
        public var post: Int?
    }

    /// Events are noted from here on, and up to there.
    private let range: Range<UInt64>
    /// Where only one node's events are wanted.
    private let node: Int?
    public private(set) var entries: [Entry] = []
    public private(set) var answers: [Answer] = []

    /// What waits to arrive: by where it lies in memory or is parked.
    private var origins: [Token: (event: UInt64, node: Int)] = [:]
    private var armedBy: [Int: UInt64] = [:]
    private var arriving: (event: UInt64, node: Int)?
    private var current: UInt64 = 0
    /// Whose packets leave now.
    var sender = 0

    enum Token: Hashable {
        case bytes(UInt)
        case parcel(UInt64)
        case disk(UInt64)
    }

    public init(events range: Range<UInt64> = 0..<UInt64.max, node: Int? = nil) {
        (self.range, self.node) = (range, node)
    }

    public subscript(number: UInt64) -> Entry? {
        guard let first = entries.first else { return nil }
        if node == nil, number >= first.number, number - first.number < UInt64(entries.count) {
            return entries[Int(number - first.number)]
        }
        return entries.first { $0.number == number }
    }

    // MARK: Facts

    func sent(_ token: Token, by node: Int) { origins[token] = (current, node) }

    /// What lies there is about to be handed to a node.
    func arrived(_ token: Token) { arriving = origins.removeValue(forKey: token) }

    func dropped(_ token: Token) { origins[token] = nil }

    func armed(_ node: Int) { armedBy[node] = current }

    /// A node starts, which no event brings about.
    func started() { current = 0 }

    func happened(
        _ number: UInt64, _ kind: TraceKind, _ node: Int, _ detail: UInt64, at now: Instant,
        _ trace: TraceHash
    ) {
        defer { arriving = nil }
        current = number
        guard range.contains(number), self.node == nil || self.node == node else { return }
        var cause = arriving?.event
        if kind == .timer { cause = armedBy[node] }
        entries.append(
            Entry(
                number: number, at: now - .origin, kind: "\(kind)", node: node,
                sender: kind == .datagram || kind == .parcel ? arriving?.node : nil,
                cause: cause == 0 ? nil : cause, detail: detail, trace: trace))
    }

    func answered(_ node: Int, _ id: RequestID, _ reply: Reply) {
        guard range.contains(current), self.node == nil || self.node == node else { return }
        var answer = Answer(
            event: current, node: node, request: id.number, text: "", isFinal: reply.isFinal)
        if case .topic(.post(_, _, let payload)) = reply,
            let post = NumberedPost.number(of: payload)
        {
            answer.post = post
            answer.text = "broadcast \(post)"
        } else {
            let text = "\(reply)"
            answer.text = text.count > 120 ? text.prefix(119) + "…" : text
        }
        answers.append(answer)
    }
}

extension EventLog {
    /// The events that led to one, from the first cause on.
    public func path(to number: UInt64) -> [Entry] {
        var path: [Entry] = []
        var next: UInt64? = number
        while let number = next, let entry = self[number] {
            path.append(entry)
            next = entry.cause
        }
        return path.reversed()
    }

    /// The path of a request: the events that led to its last answer, from the request on where it
    /// lies on the way.
    public func path(ofRequest id: UInt64) -> [Entry] {
        guard let answer = answers.last(where: { $0.request == id }) else {
            return entries.filter { $0.kind == "request" && $0.detail == id }
        }
        return path(to: answer.event)
    }
}

extension EventLog.Entry: CustomStringConvertible {
    public var description: String {
        let place = "#\(number)  \(at.seconds) s  node \(node)  "
        let because = cause.map { "  because of #\($0)" } ?? ""
        switch kind {
        case "datagram", "parcel":
            let from = sender.map { " from node \($0)" } ?? ""
            return place + "\(kind)\(from), \(detail) bytes" + because
        case "request", "cancel": return place + "\(kind) \(detail)" + because
        default: return place + kind + because
        }
    }
}
