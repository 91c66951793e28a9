import Foundation
import Testing

@testable import AROSimulation

@Suite struct FigureTests {
    private func numbers(_ svg: String) -> Bool { !svg.contains("nan") && !svg.contains("inf") }

    @Test func `axes end on round numbers around the values`() {
        var axis = Axis("x")
        axis.fit([3.2, 97])
        #expect(axis.ticks.map(\.text) == ["0", "20", "40", "60", "80", "100"])
        #expect(axis.place(0) == 0 && axis.place(100) == 1)
        var small = Axis("x")
        small.fit([0.98, 1])
        #expect(small.ticks.first?.text == "0.980" && small.ticks.last?.text == "1.000")
        var wide = Axis("x", scale: .logarithmic)
        wide.fit([3, 20_000])
        #expect(wide.ticks.map(\.text) == ["1", "10", "100", "1000", "10000", "1e5"])
    }

    @Test(arguments: [
        [], [1], [5, 5, 5], [0, 0], [-3, 4], [1e-12, 1e12], [.nan, 1], [.infinity],
    ])
    func `no values make a broken picture`(values: [Double]) {
        for scale in [Axis.Scale.linear, .logarithmic] {
            let points = values.enumerated().map {
                Figure.Curve.Point(x: Double($0.offset), y: $0.element, halfWidth: 1)
            }
            let figure = Figure(
                x: Axis("x"), y: Axis("y", scale: scale), style: .marked,
                curves: [Figure.Curve("a & b", points), Figure.Curve("<c>", [])])
            #expect(numbers(figure.svg), "\(values)")
            #expect(figure.svg.contains("a &amp; b") && figure.svg.contains("&lt;c&gt;"))
        }
    }

    @Test func `a sweep is drawn against its key, one curve for each other key`() throws {
        let table = try #require(
            ResultTable(
                csv: """
                    nodes,loss,metric,unit,mean,ci95_low,ci95_high,runs
                    10,0%,hops,number,1,0.9,1.1,3
                    10,5%,hops,number,2,1.9,2.1,3
                    1000,0%,hops,number,3,2.9,3.1,3
                    1000,5%,hops,number,4,,,1
                    """))
        let figure = try #require(Figures.sweep(of: "hops", against: "nodes", table))
        #expect(figure.curves.map(\.name) == ["loss = 0%", "loss = 5%"])
        #expect(figure.curves[0].points.map(\.x) == [10, 1000])
        #expect(figure.curves[1].points[1].halfWidth == nil)
        let other = try #require(Figures.sweep(of: "hops", against: "loss", table))
        #expect(other.x.label == "loss (%)")
        #expect(Figures.sweep(of: "hops", against: "size", table) == nil)
        #expect(Figures.sweep(of: "rtt", against: "loss", table) == nil)
    }

    @Test func `tables with broken lines are refused`() {
        #expect(ResultTable(csv: "") == nil)
        #expect(ResultTable(csv: "a,b\n1\n") == nil)
        #expect(ResultTable(csv: "a,b\n\"1,5\",2\n")?.rows == [["1,5", "2"]])
    }
}
