import AROPrimitives
import Testing

@Suite("Times of a population")
struct PopulationTimeTests {
    @Test("Before the first sample the guess holds, then the sample")
    func first() {
        var time = PopulationTime(first: .milliseconds(500))
        #expect(time.bound == .milliseconds(500))
        time.wasAmbiguous()
        #expect(time.bound == .milliseconds(500))
        time.measured(.milliseconds(10))
        #expect(time.bound == .milliseconds(30))
    }

    @Test("The bound stands above nearly all samples, and not far above")
    func bound() {
        var generator = Generator(seed: 7)
        var time = PopulationTime(first: .zero)
        var above = 0
        for i in 0..<2_000 {
            let sample = generator.between(.milliseconds(20), .milliseconds(100))
            if i >= 100, sample > time.bound { above += 1 }
            time.measured(sample)
        }
        #expect(above < 95)
        #expect(time.bound < .milliseconds(250))
    }

    @Test("A fifth of ambiguous answers moves the bound little; ambiguous ones alone move it up")
    func ambiguous() {
        var generator = Generator(seed: 8)
        var time = PopulationTime(first: .zero)
        for i in 0..<500 {
            if i % 5 == 0 {
                time.wasAmbiguous()
            } else {
                time.measured(generator.between(.milliseconds(20), .milliseconds(100)))
            }
        }
        let before = time.bound
        #expect(before < .milliseconds(300))
        for _ in 0..<20 { time.wasAmbiguous() }
        #expect(time.bound > before * 3)
    }

    @Test("Absurd samples are cut, and nothing overflows")
    func absurd() {
        var time = PopulationTime(first: .zero)
        for _ in 0..<100 { time.measured(Duration(nanoseconds: .max)) }
        for _ in 0..<1_000 { time.wasAmbiguous() }
        #expect(time.bound <= .seconds(300))
        for _ in 0..<100 { time.measured(Duration(nanoseconds: .min)) }
        #expect(time.bound >= .zero)
    }
}
