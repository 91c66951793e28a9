/// When each node of a group comes and goes, from a table as measurements publish it:
///
/// ```
/// node,up_s,down_s
/// 0,0,813.5
/// 0,900,
/// 1,12.25,40
/// ```
///
/// A node is counted within its group, from 0. Times are seconds of the run; an empty `down_s` is a
/// session that lasts to the end. Sessions of one node follow each other and do not overlap. The
/// last line must have its end: a file that was cut off is not taken for whole.

import AROPrimitives

public struct SessionTrace: Hashable, Sendable {
    public struct Session: Hashable, Sendable {
        public var node: Int
        public var up: Duration
        /// nil: to the end.
        public var down: Duration?
    }

    /// By the order of the file.
    public private(set) var sessions: [Session] = []

    public static let sessionsMax = 10_000_000

    public enum Failure: Error, Hashable, CustomStringConvertible {
        case empty
        case head(String)
        case cutOff(line: Int)
        case fieldCount(line: Int, found: Int)
        case node(line: Int, field: String, count: Int)
        case time(line: Int, column: String, field: String)
        case endsBeforeItBegins(line: Int)
        case overlaps(line: Int, node: Int)
        case tooMany

        public var description: String {
            switch self {
            case .empty: "the trace has no sessions"
            case .head(let found): "line 1: 'node,up_s,down_s' is wanted, found '\(found)'"
            case .cutOff(let line): "line \(line) has no end: the file is cut off"
            case .fieldCount(let line, let found):
                "line \(line): \(found) fields where 3 are wanted: node,up_s,down_s"
            case .node(let line, let field, let count):
                "line \(line), node: '\(field)' is no node from 0 to \(count - 1)"
            case .time(let line, let column, let field):
                "line \(line), \(column): '\(field)' is no number of seconds"
            case .endsBeforeItBegins(let line): "line \(line): down_s is not after up_s"
            case .overlaps(let line, let node):
                "line \(line): node \(node) is up already at that time"
            case .tooMany: "more than \(SessionTrace.sessionsMax) sessions"
            }
        }
    }

    /// - Parameter nodes: how many the group has.
    public init(csv text: String, nodes: Int) throws(Failure) {
        let table = CSVTable(text)
        guard let head = table.head else { throw .empty }
        guard head == ["node", "up_s", "down_s"] else {
            throw .head(head.joined(separator: ","))
        }
        guard table.endsWhole else { throw .cutOff(line: table.rows.last?.line ?? 1) }
        guard table.rows.count <= Self.sessionsMax else { throw .tooMany }
        var ends = [Duration?](repeating: .zero, count: nodes)
        for (line, fields) in table.rows {
            let session = try Self.session(fields, line: line, nodes: nodes)
            guard let end = ends[session.node], session.up >= end else {
                throw .overlaps(line: line, node: session.node)
            }
            ends[session.node] = session.down
            sessions.append(session)
        }
        guard !sessions.isEmpty else { throw .empty }
    }

    private static func session(
        _ fields: [String], line: Int, nodes: Int
    ) throws(Failure) -> Session {
        guard fields.count == 3 else { throw .fieldCount(line: line, found: fields.count) }
        guard let node = Int(fields[0]), (0..<nodes).contains(node) else {
            throw .node(line: line, field: fields[0], count: nodes)
        }
        guard let up = seconds(fields[1]) else {
            throw .time(line: line, column: "up_s", field: fields[1])
        }
        if fields[2].isEmpty { return Session(node: node, up: up) }
        guard let down = seconds(fields[2]) else {
            throw .time(line: line, column: "down_s", field: fields[2])
        }
        guard down > up else { throw .endsBeforeItBegins(line: line) }
        return Session(node: node, up: up, down: down)
    }

    /// Decimals beyond the millisecond are cut off.
    private static func seconds(_ field: String) -> Duration? {
        CSVTable.rounded(Substring(field), places: 3).flatMap {
            $0 <= SpanLaw.longest.nanoseconds / 1_000_000 ? .milliseconds($0) : nil
        }
    }
}
