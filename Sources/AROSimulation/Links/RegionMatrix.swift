/// Round-trip times between regions, read from a table as cloud providers publish them: the first
/// row names the columns, every other row starts with its name; milliseconds; an empty field is not
/// known.

import AROPrimitives

public struct RegionMatrix: Hashable, Sendable {
    public let names: [String]
    /// Microseconds, by row and column.
    private let roundTrips: [Int32]

    /// Between two nodes of one region: an engineering value.
    public static let withinRegion = Duration.milliseconds(1)

    public enum Failure: Error, Hashable, CustomStringConvertible {
        case empty
        case tooManyRegions(Int)
        case fieldCount(line: Int, found: Int, wanted: Int)
        case notANumber(line: Int, field: String)
        /// No way between two regions, not even through a third.
        case unconnected(String, String)

        public var description: String {
            switch self {
            case .empty: "the table has no regions"
            case .tooManyRegions(let n): "\(n) regions; at most \(RegionMatrix.countMax)"
            case .fieldCount(let line, let found, let wanted):
                "line \(line): \(found) fields where the head has \(wanted)"
            case .notANumber(let line, let field):
                "line \(line): '\(field)' is no number of milliseconds"
            case .unconnected(let a, let b): "no round-trip time between '\(a)' and '\(b)'"
            }
        }
    }

    public static let countMax = 1_024

    /// Reads the table. Regions that have a column are kept. Where a value or a row is missing,
    /// the opposite direction's is taken, else the best way through one other region. Directions
    /// are averaged, so a pair has one round-trip time.
    public init(csv text: String) throws(Failure) {
        let table = try Table(text)
        guard !table.names.isEmpty else { throw .empty }
        let n = table.names.count
        var merged = [Int32?](repeating: nil, count: n * n)
        for a in 0..<n {
            for b in 0..<n where a != b { merged[a * n + b] = table.between(a, b) }
        }
        var filled = [Int32](repeating: Int32(Self.withinRegion.nanoseconds / 1_000), count: n * n)
        for a in 0..<n {
            for b in 0..<n where a != b {
                let ways = (0..<n).compactMap { via -> Int32? in
                    guard let x = merged[a * n + via], let y = merged[via * n + b] else {
                        return nil
                    }
                    return x + y
                }
                guard let best = merged[a * n + b] ?? ways.min() else {
                    throw .unconnected(table.names[a], table.names[b])
                }
                filled[a * n + b] = best
            }
        }
        names = table.names
        roundTrips = filled
    }

    public func roundTrip(_ a: Int, _ b: Int) -> Duration {
        .microseconds(Int64(roundTrips[a * names.count + b]))
    }
}

/// The file as it stands, before the gaps are filled.
private struct Table {
    var names: [String] = []
    private var columns: [Int] = []
    private var rows: [[Int32?]] = []

    init(_ text: String) throws(RegionMatrix.Failure) {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let head = lines.first.map(Self.fields), head.count > 1 else { throw .empty }
        guard head.count <= RegionMatrix.countMax + 1 else { throw .tooManyRegions(head.count - 1) }
        var named: [String: [Int32?]] = [:]
        for (i, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let fields = Self.fields(line)
            guard fields.count == head.count else {
                throw .fieldCount(line: i + 1, found: fields.count, wanted: head.count)
            }
            var row: [Int32?] = []
            for field in fields.dropFirst() { row.append(try Self.value(field, line: i + 1)) }
            named[fields[0]] = row
        }
        for (column, name) in head.dropFirst().enumerated() {
            names.append(name)
            columns.append(column)
            rows.append(named[name] ?? Array(repeating: nil, count: head.count - 1))
        }
    }

    func between(_ a: Int, _ b: Int) -> Int32? {
        guard let there = rows[a][columns[b]] else { return rows[b][columns[a]] }
        guard let back = rows[b][columns[a]] else { return there }
        return (there + back) / 2
    }

    private static func fields(_ line: Substring) -> [String] {
        line.split(separator: ",", omittingEmptySubsequences: false).map { field in
            let inner = field.drop { $0 == " " || $0 == "\"" }
            return String(inner.reversed().drop { " \"\r".contains($0) }.reversed())
        }
    }

    /// Whole milliseconds or decimals of up to three digits, in microseconds.
    private static func value(
        _ field: String, line: Int
    ) throws(RegionMatrix.Failure) -> Int32? {
        guard !field.isEmpty else { return nil }
        let parts = field.split(separator: ".", omittingEmptySubsequences: false)
        let decimals = parts.count == 2 ? parts[1].prefix(3) : ""
        let padded = decimals + String(repeating: "0", count: 3 - decimals.count)
        guard parts.count <= 2, let whole = Int32(parts[0]), (0...100_000).contains(whole),
            let thousandths = Int32(padded), thousandths >= 0
        else { throw .notANumber(line: line, field: field) }
        return whole * 1_000 + thousandths
    }
}
