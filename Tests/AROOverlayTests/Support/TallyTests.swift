import AROPrimitives
import Testing

@testable import AROOverlay

@Suite("A tally")
struct TallyTests {
    @Test("counts and knows who has most as a dictionary that is searched does")
    func model() {
        var generator = Generator(seed: 7)
        var tally = Tally<UInt32>()
        var counts: [UInt32: Int] = [:]
        for step in 0..<4_000 {
            let owner = UInt32(generator.below(40))
            if generator.chance(step < 2_000 ? 1 : 2, in: 3) {
                if counts[owner] != nil {
                    tally.remove(owner)
                    counts[owner]! -= 1
                    if counts[owner] == 0 { counts[owner] = nil }
                }
            } else {
                tally.add(owner)
                counts[owner, default: 0] += 1
            }
            let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
            #expect(tally.most == most?.key)
            #expect(tally.mostCount == most?.value ?? 0)
            #expect(tally[owner] == counts[owner] ?? 0)
        }
        let owners = counts.flatMap { Array(repeating: $0.key, count: $0.value) }
        let counted = Tally(counting: owners)
        #expect(counted.most == tally.most && counted.mostCount == tally.mostCount)
    }
}
