/// What this process has in memory, as the system counts it; nil where the system does not tell.

import Foundation

enum ResidentMemory {
    /// Bytes now: `VmRSS` of `/proc/self/status`.
    static var now: Int? { field("VmRSS:") }

    /// The most that the process has had at once, bytes: `VmHWM`.
    static var most: Int? { field("VmHWM:") }

    private static func field(_ name: String) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else {
            return nil
        }
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let place = words.firstIndex(where: { $0 == name }), place + 1 < words.count else {
            return nil
        }
        return Int(words[place + 1]).map { $0 * 1024 }
    }
}
