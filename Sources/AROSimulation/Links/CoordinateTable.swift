/// Hosts as points of a space whose distances are round-trip times, as network coordinates are
/// published (Vivaldi, GNP) or generated: the first line names the columns, every other line is a
/// host, all in milliseconds. A column called `height` is the host's own share, added at both ends
/// (Dabek et al. 2004, §2.6); every other column is an axis.

import AROPrimitives

public struct CoordinateTable: Hashable, Sendable {
    public private(set) var count = 0
    private var axes = 0
    /// Microseconds: the axes of one host after those of another.
    private var places: [Int32] = []
    private var heights: [Int32] = []

    public static let countMax = 1_000_000
    public static let axesMax = 8

    public enum Failure: Error, Hashable, CustomStringConvertible {
        case empty
        case tooManyHosts
        case axes(Int)
        case fieldCount(line: Int, found: Int, wanted: Int)
        case notANumber(line: Int, column: String, field: String)
        case negativeHeight(line: Int)

        public var description: String {
            switch self {
            case .empty: "the table has no hosts"
            case .tooManyHosts: "more than \(CoordinateTable.countMax) hosts"
            case .axes(let n): "line 1: \(n) axes; 1 to \(CoordinateTable.axesMax) are possible"
            case .fieldCount(let line, let found, let wanted):
                "line \(line): \(found) fields where the head has \(wanted)"
            case .notANumber(let line, let column, let field):
                "line \(line), \(column): '\(field)' is no number of milliseconds"
            case .negativeHeight(let line): "line \(line), height: a height is not negative"
            }
        }
    }

    public init(csv text: String) throws(Failure) {
        let table = CSVTable(text)
        guard let head = table.head else { throw .empty }
        let height = head.firstIndex(of: "height")
        axes = head.count - (height == nil ? 0 : 1)
        guard (1...Self.axesMax).contains(axes) else { throw .axes(axes) }
        for (number, fields) in table.rows {
            guard fields.count == head.count else {
                throw .fieldCount(line: number, found: fields.count, wanted: head.count)
            }
            guard count < Self.countMax else { throw .tooManyHosts }
            heights.append(0)
            for (column, field) in fields.enumerated() {
                guard let value = CSVTable.microseconds(field) else {
                    throw .notANumber(line: number, column: head[column], field: field)
                }
                if column != height { places.append(value) } else { heights[count] = value }
            }
            guard heights[count] >= 0 else { throw .negativeHeight(line: number) }
            count += 1
        }
        guard count > 0 else { throw .empty }
    }

    public func roundTrip(_ a: Int, _ b: Int) -> Duration {
        var sum: UInt64 = 0
        for axis in 0..<axes {
            let gap = Int64(places[a * axes + axis]) - Int64(places[b * axes + axis])
            sum += UInt64(gap * gap)
        }
        let height = Int64(heights[a]) + Int64(heights[b])
        return .microseconds(Int64(FixedPoint.squareRoot(sum)) + height)
    }
}

/// A table of text with commas between fields; the first line that is not empty is the head.
struct CSVTable {
    private(set) var head: [String]?
    /// With the number of the line, counted from 1.
    private(set) var rows: [(line: Int, fields: [String])] = []
    /// Whether the last line has an end: where it has none, the file may be cut off.
    let endsWhole: Bool

    init(_ text: String) {
        endsWhole = text.last?.isNewline ?? true
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (i, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
            if line.first == "#" { continue }
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
                .map(Self.trimmed)
            if head == nil { head = fields } else { rows.append((i + 1, fields)) }
        }
    }

    private static func trimmed(_ field: Substring) -> String {
        let inner = field.drop { $0 == " " || $0 == "\"" }
        return String(inner.reversed().drop { $0 == " " || $0 == "\"" }.reversed())
    }

    /// Milliseconds of up to three decimals, with or without a sign, in microseconds; at most 1,000
    /// seconds.
    static func microseconds(_ field: String) -> Int32? {
        let isNegative = field.first == "-"
        let digits = isNegative ? field.dropFirst() : Substring(field)
        guard let value = rounded(digits, places: 3), value <= 1_000_000_000 else { return nil }
        return Int32(isNegative ? -value : value)
    }

    /// A decimal number times ten to the power of `places`; further decimals are cut off.
    static func rounded(_ digits: Substring, places: Int) -> Int64? {
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard (1...2).contains(parts.count), !parts[0].isEmpty || !fraction.isEmpty,
            (parts[0] + fraction).allSatisfy({ $0.isASCII && $0.isNumber }), parts[0].count <= 12
        else { return nil }
        let kept = String(fraction.prefix(places))
        return Int64(parts[0] + kept + String(repeating: "0", count: places - kept.count))
    }
}
