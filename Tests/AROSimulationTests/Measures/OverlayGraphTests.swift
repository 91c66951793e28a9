import AROPrimitives
import Testing

@testable import AROSimulation

private func ring(_ n: Int) -> OverlayGraph {
    OverlayGraph(views: (0..<n).map { [($0 + 1) % n, ($0 + n - 1) % n] })
}

private func paths(_ graph: OverlayGraph, sources: Int = .max) -> OverlayGraph.Paths {
    var chance = Generator(seed: 1)
    return graph.paths(sources: sources, &chance)
}

private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 }

@Suite struct OverlayGraphs {
    @Test func `a ring is symmetric, without triangles, and a quarter of it away`() {
        let graph = ring(100)
        #expect(graph.edgeCount == 200)
        #expect(graph.symmetricShare == 1)
        #expect(graph.clusteringCoefficient == 0)
        #expect(graph.largestComponentShare == 1)
        #expect(graph.inDegrees == .init(mean: 2, standardDeviation: 0, max: 2))
        // Two nodes at each distance of 1 to 49 and one at 50: 2,500 / 99.
        let mean: Double = 2_500.0 / 99.0
        #expect(isClose(paths(graph).meanLength, mean))
        #expect(paths(graph).longest == 50)
    }

    @Test func `in a complete graph everyone is one step away and every pair linked`() {
        let graph = OverlayGraph(views: (0..<12).map { a in (0..<12).filter { $0 != a } })
        #expect(graph.clusteringCoefficient == 1)
        #expect(paths(graph).meanLength == 1)
        #expect(graph.inDegrees.mean == 11)
    }

    @Test func `a directed star is not symmetric and all name its middle`() {
        let graph = OverlayGraph(views: [[]] + (1...10).map { _ in [0] })
        #expect(graph.symmetricShare == 0)
        #expect(graph.inDegrees.max == 10)
        let inMean: Double = 10.0 / 11.0
        #expect(isClose(graph.inDegrees.mean, inMean))
        // 10 x 1 from the middle; from each of ten leaves 1 and 9 x 2: 200 over 110 pairs.
        let mean: Double = 200.0 / 110.0
        #expect(isClose(paths(graph).meanLength, mean))
        #expect(graph.clusteringCoefficient == 0)
    }

    @Test func `a triangle with a tail has the clustering of the textbook`() {
        let graph = OverlayGraph(views: [[1, 2], [0, 2], [0, 1, 3], [2]])
        // 1, 1, 1/3 and 0.
        let mean: Double = 7.0 / 12.0
        #expect(isClose(graph.clusteringCoefficient, mean))
    }

    @Test func `components, isolated nodes and pairs without a path are counted`() {
        let graph = OverlayGraph(views: [[1], [0], [3], [2], [], [3]])
        #expect(graph.componentSizes == [3, 2, 1])
        #expect(graph.largestComponentShare == 0.5)
        #expect(graph.isolatedCount == 1)
        // 2 + 6 of 30 ordered pairs have one.
        let share: Double = 22.0 / 30.0
        #expect(isClose(paths(graph).unreachableShare, share))
    }

    @Test func `nodes that are down take no part, and naming them is inaccurate`() {
        let graph = OverlayGraph(views: [[1, 2], nil, [0, 1, 2], [9]])
        #expect(graph.liveCount == 3)
        #expect(graph.edgeCount == 2)
        #expect(graph.symmetricShare == 1)
        // Of six entries two name the dead one and one nobody.
        #expect(graph.accuracy == 0.5)
        #expect(graph.isolatedCount == 1)
    }

    @Test func `repeated entries count once`() {
        let graph = OverlayGraph(views: [[1, 1, 1], [0]])
        #expect(graph.edgeCount == 2)
        #expect(graph.inDegrees.max == 1)
    }

    @Test func `empty graphs and single nodes have measures`() {
        for graph in [
            OverlayGraph(views: []), OverlayGraph(views: [[]]), OverlayGraph(views: [nil]),
        ] {
            #expect(graph.symmetricShare == 1)
            #expect(graph.clusteringCoefficient == 0)
            #expect(paths(graph) == .init(meanLength: 0, longest: 0, unreachableShare: 0))
            #expect(graph.inDegrees.max == 0)
        }
    }

    @Test func `sampled sources come near the measure over all`() {
        var chance = Generator(seed: 7)
        let views = (0..<500).map { _ in (0..<5).map { _ in chance.below(500) } }
        let graph = OverlayGraph(views: views)
        let all = paths(graph)
        let some = paths(graph, sources: 40)
        #expect(abs(all.meanLength - some.meanLength) < 0.1)
        #expect(some.longest <= all.longest)
    }
}
