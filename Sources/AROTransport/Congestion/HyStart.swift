/// HyStart++ (RFC 9406): leaves slow start when the round trip of a round grows over that of the
/// round before, by way of a conservative phase that can be taken back.
///
/// Rounds are counted by packet numbers. L, the limit on growth per ACK of senders that do not pace
/// (§4.3), is infinite because we pace.

import AROPrimitives

struct HyStart {
    // RFC 9406 §4.3.
    static let thresholdMin: Duration = .milliseconds(4)
    static let thresholdMax: Duration = .milliseconds(16)
    static let thresholdDivisor: Int64 = 8
    static let samplesPerRound = 8
    static let conservativeDivisor = 4
    static let conservativeRounds = 5

    private static let unknown = Duration(nanoseconds: .max)

    private var roundEnd: UInt64 = 0
    private var lastRoundMinimum = unknown
    private var roundMinimum = unknown
    private var samples = 0
    /// The minimum at which the conservative phase began; nil outside of it.
    private var baseline: Duration?
    private var conservativeRoundsLeft = 0
    /// Slow start is to end.
    private(set) var isOver = false

    var isConservative: Bool { baseline != nil }

    /// Returns by what the growth of this ACK is to be divided.
    mutating func acknowledged(_ acked: AckedBytes) -> Int {
        if acked.largest >= roundEnd { beginRound(endingAt: acked.nextNumber) }
        if let roundTrip = acked.roundTrip {
            roundMinimum = min(roundMinimum, roundTrip)
            samples += 1
        }
        judge()
        return isConservative ? Self.conservativeDivisor : 1
    }

    private mutating func beginRound(endingAt number: UInt64) {
        if baseline != nil {
            conservativeRoundsLeft -= 1
            if conservativeRoundsLeft <= 0 { isOver = true }
        }
        roundEnd = number
        lastRoundMinimum = roundMinimum
        roundMinimum = Self.unknown
        samples = 0
    }

    private mutating func judge() {
        guard samples >= Self.samplesPerRound, roundMinimum != Self.unknown else { return }
        if let began = baseline {
            // The growth was jitter: back to slow start.
            if roundMinimum < began { baseline = nil }
        } else if lastRoundMinimum != Self.unknown {
            let margin = min(
                max(lastRoundMinimum / Self.thresholdDivisor, Self.thresholdMin),
                Self.thresholdMax)
            if roundMinimum >= lastRoundMinimum + margin {
                baseline = roundMinimum
                conservativeRoundsLeft = Self.conservativeRounds
            }
        }
    }
}
