/// Which posts of one publisher were seen: a base below which nothing is wanted any more, and bits
/// for the posts above it. While nothing misses, there are no bits.
///
/// The anti-replay window of RFC 4303 §3.4.3, whose base here also moves up by what arrives.

import AROWire

struct SequenceWindow: Sendable {
    /// Every post below was seen or given up.
    private(set) var base: UInt64
    /// One bit for each post from ``base`` on; the first is always clear, the last word never zero.
    private var bits: [UInt64] = []

    init(base: UInt64) { self.base = base }

    static let width = UInt64(TopicDigest.spanMax)

    /// Above the highest post seen.
    var end: UInt64 {
        guard let last = bits.last else { return base }
        return base + UInt64(bits.count * 64 - last.leadingZeroBitCount)
    }

    func contains(_ sequence: UInt64) -> Bool {
        guard sequence >= base else { return true }
        let offset = sequence - base
        guard offset < UInt64(bits.count * 64) else { return false }
        return bits[Int(offset / 64)] >> (offset % 64) & 1 == 1
    }

    /// Marks a post as seen; older ones may be given up for it.
    ///
    /// - Returns: whether it was new.
    @discardableResult
    mutating func insert(_ sequence: UInt64) -> Bool {
        guard !contains(sequence) else { return false }
        if sequence - base >= Self.width { slide(to: sequence - Self.width + 1) }
        let offset = Int(sequence - base)
        while bits.count <= offset / 64 { bits.append(0) }
        bits[offset / 64] |= 1 << UInt64(offset % 64)
        settle()
        return true
    }

    /// The posts that miss between base and end and are at least `least`, newest first, at most
    /// `limit`.
    func missing(from least: UInt64, below bound: UInt64, limit: Int) -> [UInt64] {
        var missing: [UInt64] = []
        let lowest = max(base, least)
        var next = min(bound, base + Self.width)
        while next > lowest, missing.count < limit {
            next -= 1
            if !contains(next) { missing.append(next) }
        }
        return missing
    }

    /// Gives up everything below `base`.
    mutating func slide(to newBase: UInt64) {
        guard newBase > base else { return }
        let distance = newBase - base
        if distance >= UInt64(bits.count * 64) {
            bits.removeAll()
        } else {
            shift(by: Int(distance))
        }
        base = newBase
        settle()
    }

    /// Moves the base over what was seen.
    private mutating func settle() {
        var seen = 0
        for word in bits {
            let ones = (~word).trailingZeroBitCount
            seen += ones
            if ones < 64 { break }
        }
        guard seen > 0 else { return }
        base += UInt64(seen)
        shift(by: seen)
    }

    private mutating func shift(by count: Int) {
        bits.removeFirst(min(count / 64, bits.count))
        let part = UInt64(count % 64)
        if part > 0 {
            for i in bits.indices {
                let above = i + 1 < bits.count ? bits[i + 1] << (64 - part) : 0
                bits[i] = bits[i] >> part | above
            }
        }
        while bits.last == 0 { bits.removeLast() }
        if bits.isEmpty { bits = [] }
    }
}
