/// A set of ranges against a plain set of numbers.

import AROPrimitives
import Testing

@Suite struct RangeSetTests {
    @Test("Ranges that touch are one")
    func touching() {
        var set = AROPrimitives.RangeSet()
        set.insert(0..<2)
        set.insert(4..<6)
        #expect(set.count == 2)
        set.insert(2..<4)
        #expect(set.count == 1)
        #expect(set.first == 0..<6)
    }

    @Test("The greatest number has its place")
    func extremes() {
        var set = AROPrimitives.RangeSet()
        set.insert(UInt64.max - 1..<UInt64.max)
        set.insert(0..<1)
        #expect(set.contains(.max - 1))
        #expect(!set.contains(.max))
        set.removeBelow(.max)
        #expect(set.isEmpty)
    }

    @Test("Any mix of insertions and removals agrees with a set", arguments: [1, 2, 3] as [UInt64])
    func model(seed: UInt64) {
        var generator = Generator(seed: seed)
        var set = AROPrimitives.RangeSet()
        var model = Set<UInt64>()
        for _ in 0..<2_000 {
            let low = UInt64(generator.below(200))
            let range = low..<low + UInt64(generator.below(20))
            switch generator.below(5) {
            case 0, 1:
                set.insert(range)
                model.formUnion(range)
            case 2:
                set.remove(range)
                model.subtract(range)
            case 3:
                let bound = UInt64(generator.below(30))
                set.removeBelow(bound)
                model = model.filter { $0 >= bound }
            default:
                var others = AROPrimitives.RangeSet()
                for _ in 0..<4 {
                    let start = UInt64(generator.below(200))
                    others.insert(start..<start + UInt64(generator.below(9)))
                }
                set.insert(range, except: others)
                model.formUnion(range.filter { !others.contains($0) })
            }
            let members = (0..<set.count).flatMap { Array(set[$0]) }
            #expect(members == model.sorted(), "seed \(seed)")
            for i in 1..<max(set.count, 1) { #expect(set[i - 1].upperBound < set[i].lowerBound) }
        }
    }
}
