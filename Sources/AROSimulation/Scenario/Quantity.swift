/// Numbers with units as people write them (`100ms`, `0.1%`, `20Mbit`, `1KiB`), read and written in
/// exact integers. A number without a unit is refused: half of all wrong scenarios are a wrong
/// unit.

import AROPrimitives

enum Quantity {
    typealias Unit = (name: String, size: Int64)

    static let times: [Unit] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]
    static let shares: [Unit] = [("%", 10_000)]
    static let byteCounts: [Unit] = [
        ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000),
        ("KiB", 1 << 10), ("kB", 1_000), ("B", 1),
    ]
    static let bitRates: [Unit] = [
        ("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1_000), ("bit", 1),
    ]

    static func duration(_ text: String) -> Duration? {
        read(text, times).map(Duration.init(nanoseconds:))
    }

    static func chance(_ text: String) -> Chance? {
        guard let parts = read(text, shares), parts <= 1_000_000 else { return nil }
        return Chance(partsPerMillion: Int(parts))
    }

    static func byteCount(_ text: String) -> Int64? { read(text, byteCounts) }

    static func bitRate(_ text: String) -> Int64? { read(text, bitRates) }

    static func text(_ span: Duration) -> String { write(span.nanoseconds, times) }
    static func text(bytes: Int64) -> String { write(bytes, byteCounts) }
    static func text(bitRate: Int64) -> String { write(bitRate, bitRates) }

    /// A share in per cent, at most four decimals.
    static func text(_ chance: Chance) -> String {
        let whole = chance.partsPerMillion / 10_000
        let rest = chance.partsPerMillion % 10_000
        guard rest > 0 else { return "\(whole)%" }
        var digits = String(rest + 10_000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)%"
    }

    /// A decimal number and a unit, in the smallest unit; nil where that is not exact, or does not
    /// fit. `0` needs no unit.
    static func read(_ text: String, _ units: [Unit]) -> Int64? {
        if text == "0" { return 0 }
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "_") }
        let name = text.dropFirst(number.count).drop { $0 == " " }
        guard let unit = units.first(where: { $0.name == name }) else { return nil }
        return decimal(number, times: unit.size)
    }

    /// A decimal number without sign or exponent, multiplied; nil where that is no whole number.
    static func decimal(_ text: some StringProtocol, times factor: Int64) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        let digits = (String(parts[0]) + fraction).filter { $0 != "_" }
        guard parts.count <= 2, !parts[0].isEmpty, parts.count == 1 || !fraction.isEmpty,
            digits.count <= 18, let mantissa = Int64(digits), mantissa >= 0
        else { return nil }
        let scale = (0..<fraction.filter { $0 != "_" }.count).reduce(Int128(1)) { n, _ in n * 10 }
        let product = Int128(mantissa) * Int128(factor)
        guard product % scale == 0 else { return nil }
        return Int64(exactly: product / scale)
    }

    /// In the largest unit that gives a whole number.
    private static func write(_ value: Int64, _ units: [Unit]) -> String {
        let fitting = units.first { value % $0.size == 0 && value >= $0.size }
        guard let unit = fitting ?? units.last else { return "0" }
        return "\(value / unit.size)\(unit.name)"
    }
}

/// The word of `words` that is nearest to what was written, where one is near: at most a third of
/// its letters wrong (Levenshtein's distance).
func nearest(to word: String, among words: [String]) -> String? {
    let ranked = words.map { (distance: editDistance(word, $0), word: $0) }
    guard let best = ranked.min(by: { ($0.distance, $0.word) < ($1.distance, $1.word) }),
        best.distance <= max(2, best.word.count / 3)
    else { return nil }
    return best.word
}

private func editDistance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8.prefix(64)), Array(b.utf8.prefix(64)))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let change = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(change, row[j] + 1, diagonal + 1)
        }
    }
    return row[b.count]
}
