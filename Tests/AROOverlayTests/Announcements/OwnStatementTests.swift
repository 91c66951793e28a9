import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("When to announce ourselves")
struct OwnStatementTests {
    @Test("a move alone makes due what the whole offer, offered again, makes due")
    func moves() {
        let configuration = AnnouncementConfiguration()
        let seed: UInt64 = 11
        var generator = Generator(seed: seed)
        var (quick, slow) = (
            OwnStatement(configuration, at: .origin), OwnStatement(configuration, at: .origin)
        )
        var now = Instant.origin
        var offer = Offer()
        var place = Coordinate(components: .zero, height: 10, error: 1)
        var spared = 0
        for step in 0..<5_000 {
            now = now + .milliseconds(Int64(generator.below(2_000)))
            if let due = slow.dueAt, due <= now {
                let time = UnixTime(seconds: 1_800_000_000 + Int64(step))
                #expect(
                    quick.nextSequence(wallClock: time) == slow.nextSequence(wallClock: time))
                let told = slow.offer!
                #expect(quick.offer == told, "seed \(seed), step \(step)")
                quick.issued(told, members: 50, jitter: .zero, configuration, at: now)
                slow.issued(told, members: 50, jitter: .zero, configuration, at: now)
            }
            if generator.chance(1, in: 200) {
                quick.accused(
                    UInt64(step), by: nil, wallClock: UnixTime(seconds: 1_800_000_000),
                    configuration, at: now)
                slow.accused(
                    UInt64(step), by: nil, wallClock: UnixTime(seconds: 1_800_000_000),
                    configuration, at: now)
            }
            let isMove = !generator.chance(1, in: 20)
            if isMove {
                let far: Float = generator.chance(1, in: 30) ? 20 : 0.1
                func drift() -> Float { (Float(generator.below(200)) / 100 - 1) * far }
                place = Coordinate(
                    components: place.components + SIMD4(drift(), drift(), drift(), drift()),
                    height: place.height, error: place.error * 0.999)
                offer.coordinate = place
            } else {
                offer.storage.freeBytes = UInt64(generator.below(1_000))
                offer.storage.offeredBytes = 1_000
            }
            slow.offer(offer, members: 50, configuration, at: now)
            if isMove, quick.moved(to: place, at: now) {
                spared += 1
            } else {
                quick.offer(offer, members: 50, configuration, at: now)
            }
            #expect(quick.dueAt == slow.dueAt && quick.offer == slow.offer, "step \(step)")
        }
        #expect(spared > 1_000, "\(spared) of 5,000")
    }
}
