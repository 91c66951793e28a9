/// RFC 9438 by its own formulas, and RFC 9406 by its rounds.

import AROPrimitives
import Testing

@testable import AROTransport

/// CUBIC alone with a path that acknowledges a full window every round trip.
private struct Path {
    static let datagram = 1_250
    var cubic = Cubic(TransportConfiguration(), datagram: Path.datagram)
    var now = Instant.origin + .seconds(1)
    var number: UInt64 = 0
    var roundTrip: Duration

    /// A round trip in which every packet of the window is acknowledged, two by two.
    mutating func round(isApplicationLimited: Bool = false, sample: Duration? = nil) {
        let acks = max(cubic.window / (2 * Self.datagram), 1)
        let end = number + UInt64(acks * 2)
        for i in 0..<acks {
            now += roundTrip / Int64(acks)
            number += 2
            cubic.acknowledged(
                AckedBytes(
                    bytes: 2 * Self.datagram, roundTrip: sample ?? roundTrip, largest: number - 1,
                    nextNumber: end + UInt64(2 * i), isApplicationLimited: isApplicationLimited),
                smoothed: roundTrip, at: now)
        }
    }

    /// Grows in slow start to so many packets, then loses one.
    mutating func loseAt(_ packets: Int) {
        while cubic.window < packets * Self.datagram { round() }
        cubic.congested()
    }

    var packets: Double { Double(cubic.window) / Double(Self.datagram) }
}

@Suite struct CubicTests {
    @Test("Slow start doubles the window every round trip")
    func slowStart() {
        var path = Path(roundTrip: .milliseconds(50))
        #expect(path.packets == 10)
        path.round()
        #expect(path.packets == 20)
        path.round()
        path.round()
        #expect(path.packets == 80)
    }

    @Test("After a loss the window follows C (t - K)³ + W_max, within 3 %")
    func growth() {
        var path = Path(roundTrip: .milliseconds(100))
        path.loseAt(1_000)
        let peak = path.packets / 0.7
        #expect(peak >= 1_000)
        // K = cbrt(W_max (1 - β) / C).
        let k = Cubic.cubeRoot(peak * 0.3 / 0.4)
        let start = path.now
        for _ in 0..<Int(k * 10 * 1.8) {
            path.round()
            let t = (path.now - start).seconds
            let expected = 0.4 * (t - k) * (t - k) * (t - k) + peak
            #expect(abs(path.packets - expected) <= 0.03 * expected, "t = \(t), K = \(k)")
        }
        #expect(path.packets > peak * 1.05)
    }

    @Test("On short paths it grows at least as Reno would")
    func renoFriendly() {
        var path = Path(roundTrip: .milliseconds(5))
        path.loseAt(40)
        let before = path.packets
        for _ in 0..<20 { path.round() }
        // α = 3 (1 - 0.7) / (1 + 0.7) = 0.53 packets a round trip.
        #expect(path.packets >= before + 9.5)
        #expect(path.packets <= before + 21)
    }

    @Test("A second loss below the last peak makes room for others")
    func fastConvergence() {
        var path = Path(roundTrip: .milliseconds(100))
        path.loseAt(1_000)
        let window = Double(path.cubic.window)
        path.cubic.congested()
        // The new peak is window × (1 + β) / 2, reached at K.
        let peak = window * 0.85
        path.round()
        let k = Cubic.cubeRoot((peak - window * 0.7) / (0.4 * 1_250))
        #expect(abs(path.cubic.cubic(at: k) - peak) < 1)
    }

    @Test("A window that the application leaves unused does not grow")
    func applicationLimited() {
        var path = Path(roundTrip: .milliseconds(50))
        path.round(isApplicationLimited: true)
        #expect(path.packets == 10)
        path.loseAt(100)
        let window = path.cubic.window
        for _ in 0..<100 { path.round(isApplicationLimited: true) }
        #expect(path.cubic.window == window)
        // And the idle time does not count when it goes on.
        path.round()
        #expect(path.cubic.window <= window + 3 * Path.datagram)
    }

    @Test("The window stays between two packets and the configured maximum")
    func bounds() {
        var path = Path(roundTrip: .milliseconds(10))
        for _ in 0..<40 { path.cubic.congested() }
        #expect(path.packets == 2)
        path.cubic.collapsed()
        #expect(path.packets == 2)
        var configuration = TransportConfiguration()
        configuration.congestionWindowMax = 100_000
        path.cubic = Cubic(configuration, datagram: Path.datagram)
        for _ in 0..<20 { path.round() }
        #expect(path.cubic.window == 100_000)
    }

    @Test("The cube root is one")
    func cubeRoot() {
        for value in [0, 1e-9, 0.5, 1, 8, 1_000, 123_456_789, 1e15] {
            let root = Cubic.cubeRoot(value)
            #expect(abs(root * root * root - value) <= 1e-9 * max(value, 1e-6))
        }
        #expect(Cubic.cubeRoot(-8) == 0)
    }
}

@Suite struct HyStartTests {
    /// Rounds of ten ACKs with one round trip each.
    private func feed(_ slowStart: inout HyStart, _ rounds: [Int64], from first: Int = 0) -> [Int] {
        var divisors: [Int] = []
        for (i, milliseconds) in rounds.enumerated() {
            let start = UInt64((first + i) * 10)
            for j in 0..<10 {
                let divisor = slowStart.acknowledged(
                    AckedBytes(
                        bytes: 1_250, roundTrip: .milliseconds(milliseconds),
                        largest: start + UInt64(j), nextNumber: start + 10,
                        isApplicationLimited: false))
                if j == 9 { divisors.append(divisor) }
            }
        }
        return divisors
    }

    @Test("A round trip that grows by an eighth makes growth conservative, and five rounds end it")
    func exit() {
        var slowStart = HyStart()
        #expect(feed(&slowStart, [80, 82, 80]) == [1, 1, 1])
        #expect(feed(&slowStart, [91], from: 3) == [4])
        #expect(slowStart.isConservative)
        #expect(feed(&slowStart, [92, 93, 94, 95], from: 4) == [4, 4, 4, 4])
        #expect(!slowStart.isOver)
        _ = feed(&slowStart, [96], from: 8)
        #expect(slowStart.isOver)
    }

    @Test("Jitter is taken back")
    func jitter() {
        var slowStart = HyStart()
        _ = feed(&slowStart, [80, 80, 95])
        #expect(slowStart.isConservative)
        #expect(feed(&slowStart, [80, 81], from: 3) == [1, 1])
        #expect(!slowStart.isConservative)
        #expect(!slowStart.isOver)
    }

    @Test("The threshold is at least 4 ms and at most 16 ms")
    func thresholds() {
        var short = HyStart()
        #expect(feed(&short, [8, 11]) == [1, 1])
        #expect(feed(&short, [15], from: 2) == [4])
        var long = HyStart()
        #expect(feed(&long, [400, 415]) == [1, 1])
        #expect(feed(&long, [432], from: 2) == [4])
    }
}
