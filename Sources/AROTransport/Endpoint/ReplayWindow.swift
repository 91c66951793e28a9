/// Which packet numbers were seen: a sliding window as in RFC 4303 §3.4.3, kept as a ring of words
/// in the manner of RFC 6479. Numbers below the window count as seen.

struct ReplayWindow: Sendable {
    /// How far behind the newest packet another may be: a word less than the ring has bits, as the
    /// newest word is only partly used. WireGuard has 8,192 - 64. At 1 Gbit/s and 1,400-byte packets
    /// it is 22 ms of reordering.
    static let packetCount = 2_048 - 64

    /// The number after the highest one seen.
    private(set) var expected: UInt64 = 0
    private var words = InlineArray<32, UInt64>(repeating: 0)

    /// Whether `number` would be new.
    func isNew(_ number: UInt64) -> Bool {
        if number >= expected { return true }
        if expected - number > UInt64(Self.packetCount) { return false }
        return words[Self.word(number)] & Self.bit(number) == 0
    }

    /// Notes an authentic packet.
    mutating func insert(_ number: UInt64) {
        if number >= expected {
            // Every word between the old and the new highest number starts anew.
            let from = expected == 0 ? 0 : (expected - 1) >> 6 + 1
            let to = number >> 6
            if to >= from {
                for i in 0..<min(to - from + 1, 32) { words[Int((to - i) & 31)] = 0 }
            }
            expected = number + 1
        }
        words[Self.word(number)] |= Self.bit(number)
    }

    private static func word(_ number: UInt64) -> Int { Int(number >> 6 & 31) }
    private static func bit(_ number: UInt64) -> UInt64 { 1 << (number & 63) }
}
