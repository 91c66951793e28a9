import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

/// Dadgar, Phillips and Currey 2017, §V: 128 members, some of which are slow: what they send and
/// receive is stuck for a while, flows for a while, and so on, while their timers go on. (Where
/// timers are stuck, too, there are no false positives with or without Lifeguard: a stage of a probe
/// begins when it is reached, and what waits in the socket clears it.)
@Suite("Lifeguard")
struct LifeguardTests {
    static func configuration(
        selfAware: Bool = true, dynamic: Bool = true, buddies: Bool = true
    ) -> FailureConfiguration {
        var configuration = FailureConfiguration()
        configuration.isSelfAware = selfAware
        configuration.hasDynamicSuspicion = dynamic
        configuration.hasBuddies = buddies
        return configuration
    }

    struct Outcome {
        /// Verdicts on members that were never slow nor killed.
        var falsePositives = 0
        /// From the kill of a well member to the first verdict, sorted.
        var detection: [Duration] = []
    }

    /// Slow for `durations` of the paper, well for its intervals, each member at its own times.
    static func run(
        _ configuration: FailureConfiguration, slow count: Int, seed: UInt64
    ) -> Outcome {
        let world = FailureWorld(count: 128, seed: seed, configuration: configuration)
        var draw = Generator(seed: seed ^ 0x5151)
        world.run(for: .seconds(10))
        let end = world.now + .seconds(70)
        for i in 0..<count {
            var at = world.now + .milliseconds(Int64(draw.below(2_000)))
            while at < end {
                let slow = Duration.milliseconds(128 << Int64(draw.below(9)))
                let well = Duration.milliseconds(1 << Int64(draw.below(15)))
                world.block(i, at: at, for: slow)
                at += slow + well
            }
        }
        world.run(for: .seconds(30))
        let killed = 120
        let killedAt = world.now
        world.kill(killed)
        world.run(until: end)
        var outcome = Outcome()
        outcome.falsePositives = world.verdicts.filter { $0.of >= count && $0.of != killed }.count
        let found = world.verdicts.filter { $0.of == killed && $0.by >= count }.map(\.at).min()
        outcome.detection = [(found ?? end) - killedAt]
        return outcome
    }

    static func total(_ configuration: FailureConfiguration, seeds: Range<UInt64>) -> Outcome {
        var total = Outcome()
        for slow in [1, 8, 32] {
            for seed in seeds {
                let outcome = run(configuration, slow: slow, seed: seed * 100 + UInt64(slow))
                total.falsePositives += outcome.falsePositives
                total.detection += outcome.detection
            }
        }
        total.detection.sort()
        return total
    }

    @Test("with its parts on, false positives are fifty times fewer, and failures found as soon")
    func falsePositives() {
        let on = Self.total(Self.configuration(), seeds: 1..<3)
        let off = Self.total(
            Self.configuration(selfAware: false, dynamic: false, buddies: false), seeds: 1..<3)
        let (with, without) = (on.detection[3], off.detection[3])
        print(
            "false positives with Lifeguard \(on.falsePositives), without",
            "\(off.falsePositives); detection p50 \(with.seconds) against \(without.seconds),",
            "max \(on.detection.last!.seconds) against \(off.detection.last!.seconds)")
        #expect(off.falsePositives >= 50)
        #expect(on.falsePositives * 50 <= off.falsePositives)
        #expect(with <= without + .milliseconds(500))
    }

    @Test("each part has a switch of its own, and awareness of oneself does most here")
    func parts() {
        func count(_ configuration: FailureConfiguration) -> Int {
            Self.run(configuration, slow: 32, seed: 77).falsePositives
        }
        let none = count(Self.configuration(selfAware: false, dynamic: false, buddies: false))
        let awareness = count(Self.configuration(dynamic: false, buddies: false))
        let dynamic = count(Self.configuration(selfAware: false, buddies: false))
        let buddies = count(Self.configuration(selfAware: false, dynamic: false))
        print(
            "false positives of 32 slow: none \(none), self-awareness \(awareness),",
            "dynamic suspicion \(dynamic), buddies \(buddies)")
        #expect(awareness * 10 <= none)
        #expect(dynamic <= none)
    }

    @Test("a suspicion shrinks with each confirmation, by the logarithm of the paper")
    func shares() {
        #expect(Logarithm.perMille(1, base: 4) == 0)
        #expect(Logarithm.perMille(2, base: 4) == 500)
        #expect(Logarithm.perMille(3, base: 4) == 792)
        #expect(Logarithm.perMille(4, base: 4) == 1_000)
        #expect(Logarithm.perMille(2, base: 3) == 630)
        #expect(Logarithm.perMille(9, base: 2) == 1_000)
    }

    @Test("the health multiplier is bounded, rises with bad signs and sinks with good ones")
    func health() {
        var health = LocalHealth()
        let at = Instant.origin + .seconds(10)
        health.worsened(by: 3, atMost: 8, at: at)
        #expect(health.score == 3 && health.scale == 4)
        health.worsened(by: 100, atMost: 8, at: at)
        #expect(health.score == 8)
        health.improved(at: at)
        #expect(health.score == 7)
        health.wasWell(.seconds(5), at: at + .seconds(4))
        #expect(health.score == 7)
        health.wasWell(.seconds(5), at: at + .seconds(11))
        health.wasWell(.seconds(5), at: at + .seconds(11))
        #expect(health.score == 6)
        for _ in 0..<9 { health.improved(at: at + .hours(1)) }
        #expect(health.score == 0)
    }
}
