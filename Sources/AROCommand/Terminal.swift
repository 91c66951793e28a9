/// What people see: complaints, and progress where standard error is a terminal.

import ARO
import Foundation

enum Terminal {
    static var hasProgress: Bool { isatty(STDERR_FILENO) == 1 }
    static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func complain(_ words: String) { error("aro: \(words)\n") }

    /// Writes to standard error.
    static func error(_ text: String) { try? write(Array(text.utf8), to: STDERR_FILENO) }

    /// Writes a line to standard output at once, whatever it is connected to.
    static func line(_ text: String) throws { try write(Array((text + "\n").utf8)) }

    /// A stranger's words for one line of a terminal: control characters, which could move the cursor
    /// or begin another line, are replaced.
    static func plain(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\t"
            let isSeparator = scalar.value == 0x2028 || scalar.value == 0x2029
            scalars.append(isControl || isSeparator ? "\u{fffd}" : scalar)
        }
        return String(scalars)
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) throws {
        try bytes.withUnsafeBytes { try write($0, to: descriptor) }
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        var done = 0
        while done < bytes.count {
            let count = Foundation.write(
                descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemFailure("write the output") }
            done += count
        }
    }

    /// Writes a file as a whole or not at all.
    static func save(_ bytes: Data, to path: String) throws {
        let path = StandardPaths.absolute(path)
        do { try bytes.write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw CommandFailure("cannot write \(path): \(error.localizedDescription)")
        }
    }

    /// A value as one line of JSON.
    static func json(_ value: some Encodable) throws {
        try write(ControlJSON.encode(value) + [UInt8(ascii: "\n")])
    }

    /// Rows under a heading, with columns wide enough for what is in them.
    static func table(_ heading: [String], _ rows: [[String]]) throws {
        guard !rows.isEmpty else { return }
        let widths = heading.indices.map { column in
            ([heading] + rows).map { $0[column].count }.max() ?? 0
        }
        for row in [heading] + rows {
            let cells = row.enumerated().map { i, cell in
                i == row.count - 1
                    ? cell : cell.padding(toLength: widths[i], withPad: " ", startingAt: 0)
            }
            try line(cells.joined(separator: "  "))
        }
    }
}
