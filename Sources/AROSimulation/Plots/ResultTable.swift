/// A table that a run or a sweep has written, read again.

import Foundation

public struct ResultTable: Sendable {
    public let columns: [String]
    public let rows: [[String]]

    /// nil where lines have different numbers of cells.
    public init?(csv: String) {
        var lines: [[String]] = []
        for line in csv.split(separator: "\n") { lines.append(Self.cells(line)) }
        guard let head = lines.first, lines.allSatisfy({ $0.count == head.count }) else {
            return nil
        }
        columns = head
        rows = Array(lines.dropFirst())
    }

    private static func cells(_ line: Substring) -> [String] {
        var cells = [""]
        var isQuoted = false
        for character in line {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: cells.append("")
            default: cells[cells.count - 1].append(character)
            }
        }
        return cells
    }

    public func index(of column: String) -> Int? { columns.firstIndex(of: column) }
}
