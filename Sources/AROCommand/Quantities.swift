/// Sizes, rates and times as people write and read them.

import ArgumentParser

/// A number of bytes: `1500`, `10GB` (10^10), `10GiB` or `10G` (10 * 2^30).
struct ByteCount: ExpressibleByArgument, Hashable {
    var bytes: UInt64

    private static let units: [(suffix: String, bytes: Double)] = [
        ("", 1), ("b", 1), ("k", 1_024), ("kb", 1e3), ("kib", 1_024), ("m", 1_048_576),
        ("mb", 1e6), ("mib", 1_048_576), ("g", 1_073_741_824), ("gb", 1e9),
        ("gib", 1_073_741_824), ("t", 1_099_511_627_776), ("tb", 1e12),
        ("tib", 1_099_511_627_776),
    ]

    init(bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        let digits = argument.prefix { ("0"..."9").contains($0) || $0 == "." }
        let suffix = argument.dropFirst(digits.count).lowercased()
        guard let unit = Self.units.first(where: { $0.suffix == suffix }) else { return nil }
        if let whole = UInt64(digits), unit.bytes == 1 {
            bytes = whole
            return
        }
        guard digits.first != ".", let number = Double(digits) else { return nil }
        let count = number * unit.bytes
        guard count >= 0, count < 9.2e18 else { return nil }
        bytes = UInt64(count)
    }
}

/// `A-B`, both included and counted from 0, or `A-` for the rest: as in HTTP (RFC 9110 §14.1.2).
struct ByteRange: ExpressibleByArgument, Hashable {
    var from: UInt64
    /// The first byte that is not wanted any more; nil for the rest.
    var to: UInt64?

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let from = Self.number(parts[0]) else { return nil }
        self.from = from
        guard !parts[1].isEmpty else { return }
        guard let last = Self.number(parts[1]), last >= from, last < .max else { return nil }
        to = last + 1
    }

    private static func number(_ text: Substring) -> UInt64? {
        text.allSatisfy { ("0"..."9").contains($0) } ? UInt64(text) : nil
    }
}

enum Format {
    /// Three digits and a decimal unit: `512 B`, `1.50 MB`, `64.0 GB`.
    static func bytes(_ count: UInt64) -> String {
        guard count >= 1_000 else { return "\(count) B" }
        var value = Double(count) / 1_000
        var unit = 0
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 999.5, unit < units.count - 1 {
            value /= 1_000
            unit += 1
        }
        return "\(threeDigits(value)) \(units[unit])"
    }

    static func rate(_ bytesPerSecond: Double) -> String {
        "\(bytes(UInt64(max(0, min(bytesPerSecond, 1e18)))))/s"
    }

    /// `12s`, `3:07`, `2:15:00`.
    static func time(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 360_000 else { return "--" }
        let whole = Int(seconds.rounded(.up))
        func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
        if whole < 60 { return "\(whole)s" }
        if whole < 3_600 { return "\(whole / 60):\(two(whole % 60))" }
        return "\(whole / 3_600):\(two(whole / 60 % 60)):\(two(whole % 60))"
    }

    private static func threeDigits(_ value: Double) -> String {
        let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        let scale = decimals == 2 ? 100.0 : decimals == 1 ? 10.0 : 1.0
        let scaled = Int((value * scale).rounded())
        guard decimals > 0 else { return "\(scaled)" }
        let fraction = scaled % Int(scale)
        let pad = decimals == 2 && fraction < 10 ? "0" : ""
        return "\(scaled / Int(scale)).\(pad)\(fraction)"
    }
}
