/// The graph of an overlay's views, and the measures by which membership protocols are compared
/// (Jelasity and others 2007, *Gossip-based peer sampling*; Leitão and others 2007, *HyParView*,
/// §5): symmetry, clustering, path lengths, in-degrees, components.
///
/// A view is a directed edge to each of its members. Clustering, paths and components take the
/// graph as undirected, as a link carries messages both ways once it exists. Nodes that are down
/// take no part; edges to them only count against ``accuracy``.

import AROPrimitives

public struct OverlayGraph: Sendable {
    /// nil for a node that is down; else whom it names, ascending, without itself and those down.
    private let views: [[Int32]?]
    /// Both directions of every edge, ascending.
    private let neighbours: [[Int32]]
    /// Entries of all views, and those that name nobody who runs.
    private let entryCount, deadEntryCount: Int

    /// - Parameter views: by node, whom it names; nil for a node that is down.
    public init(views named: [[Int]?]) {
        var views: [[Int32]?] = []
        var neighbours = [[Int32]](repeating: [], count: named.count)
        var (entries, dead) = (0, 0)
        for (node, view) in named.enumerated() {
            guard let view else {
                views.append(nil)
                continue
            }
            entries += view.count
            var kept: [Int32] = []
            for other in view.sorted() where other != node {
                guard named.indices.contains(other), named[other] != nil else {
                    dead += 1
                    continue
                }
                if kept.last != Int32(other) { kept.append(Int32(other)) }
            }
            for other in kept {
                neighbours[node].append(other)
                neighbours[Int(other)].append(Int32(node))
            }
            views.append(kept)
        }
        self.views = views
        self.neighbours = neighbours.map(Self.distinct)
        (entryCount, deadEntryCount) = (entries, dead)
    }

    private static func distinct(_ list: [Int32]) -> [Int32] {
        var out: [Int32] = []
        for one in list.sorted() where out.last != one { out.append(one) }
        return out
    }

    private var live: [Int] { views.indices.filter { views[$0] != nil } }

    public var liveCount: Int { live.count }

    /// Edges between nodes that run.
    public var edgeCount: Int { views.reduce(0) { $0 + ($1?.count ?? 0) } }

    /// Who runs, ascending.
    public var nodes: [Int] { live }

    /// Who names whom, ascending.
    public var edges: [(source: Int, target: Int)] {
        live.flatMap { node in views[node]!.map { (node, Int($0)) } }
    }

    /// The share of view entries that name somebody who runs; 1 where there are none.
    public var accuracy: Double {
        entryCount == 0 ? 1 : Double(entryCount - deadEntryCount) / Double(entryCount)
    }

    /// The share of edges whose opposite exists; 1 where there are none.
    public var symmetricShare: Double {
        var mutual = 0
        for node in live {
            for other in views[node]! where Self.holds(views[Int(other)]!, Int32(node)) {
                mutual += 1
            }
        }
        return edgeCount == 0 ? 1 : Double(mutual) / Double(edgeCount)
    }

    /// The mean, over all nodes, of the share of pairs of a node's neighbours that are neighbours
    /// themselves (Watts and Strogatz 1998); 0 for a node with fewer than two.
    public var clusteringCoefficient: Double {
        let nodes = live
        guard !nodes.isEmpty else { return 0 }
        return nodes.reduce(0.0) { $0 + clustering(of: $1) } / Double(nodes.count)
    }

    private func clustering(of node: Int) -> Double {
        let around = neighbours[node]
        guard around.count > 1 else { return 0 }
        var links = 0
        for (i, a) in around.enumerated() {
            for b in around[(i + 1)...] where Self.holds(neighbours[Int(a)], b) { links += 1 }
        }
        return Double(links) / Double(around.count * (around.count - 1) / 2)
    }

    /// Whether an ascending list holds a value.
    private static func holds(_ list: [Int32], _ value: Int32) -> Bool {
        let i = list.partitionPoint { $0 < value }
        return i < list.count && list[i] == value
    }

    // MARK: Degrees

    public struct Degrees: Hashable, Sendable {
        public var mean, standardDeviation: Double
        public var max: Int
    }

    /// By how many others a node is named.
    public var inDegrees: Degrees {
        var counts = [Int](repeating: 0, count: views.count)
        for view in views { for other in view ?? [] { counts[Int(other)] += 1 } }
        let nodes = live
        guard !nodes.isEmpty else { return Degrees(mean: 0, standardDeviation: 0, max: 0) }
        let mean = Double(edgeCount) / Double(nodes.count)
        let squares = nodes.reduce(0.0) {
            let off = Double(counts[$1]) - mean
            return $0 + off * off
        }
        return Degrees(
            mean: mean, standardDeviation: (squares / Double(nodes.count)).squareRoot(),
            max: nodes.reduce(0) { Swift.max($0, counts[$1]) })
    }

    /// Nodes that name nobody and are named by nobody.
    public var isolatedCount: Int { live.count { neighbours[$0].isEmpty } }

    // MARK: Components and paths

    /// Nodes of each component, the largest first.
    public var componentSizes: [Int] {
        var isSeen = [Bool](repeating: false, count: views.count)
        var sizes: [Int] = []
        for node in live where !isSeen[node] {
            var queue = [Int32(node)]
            isSeen[node] = true
            var head = 0
            while head < queue.count {
                for other in neighbours[Int(queue[head])] where !isSeen[Int(other)] {
                    isSeen[Int(other)] = true
                    queue.append(other)
                }
                head += 1
            }
            sizes.append(queue.count)
        }
        return sizes.sorted(by: >)
    }

    /// The share of running nodes in the largest component.
    public var largestComponentShare: Double {
        guard let largest = componentSizes.first else { return 0 }
        return Double(largest) / Double(liveCount)
    }

    public struct Paths: Hashable, Sendable {
        /// Of the shortest paths that there are.
        public var meanLength: Double
        /// The longest of them: a lower bound of the diameter where sources were drawn.
        public var longest: Int
        /// Pairs without a path, of the pairs looked at.
        public var unreachableShare: Double
    }

    /// Shortest paths from `sources` nodes drawn without repetition (from all where there are no
    /// more) to all others.
    public func paths(sources: Int, _ chance: inout Generator) -> Paths {
        var nodes = live
        guard nodes.count > 1 else {
            return Paths(meanLength: 0, longest: 0, unreachableShare: 0)
        }
        if sources < nodes.count { chance.shuffle(&nodes) }
        let chosen = nodes.prefix(max(1, sources))
        var (sum, found, longest) = (0, 0, 0)
        var depth = [Int32](repeating: -1, count: views.count)
        for source in chosen {
            let reached = search(from: source, &depth)
            sum += reached.sum
            found += reached.count
            longest = max(longest, reached.longest)
        }
        let pairs = chosen.count * (nodes.count - 1)
        return Paths(
            meanLength: found == 0 ? 0 : Double(sum) / Double(found), longest: longest,
            unreachableShare: Double(pairs - found) / Double(pairs))
    }

    /// Breadth first; `depth` is -1 everywhere before and after.
    private func search(
        from source: Int, _ depth: inout [Int32]
    ) -> (sum: Int, count: Int, longest: Int) {
        var queue = [Int32(source)]
        depth[source] = 0
        var (sum, longest, head) = (0, 0, 0)
        while head < queue.count {
            let node = Int(queue[head])
            head += 1
            sum += Int(depth[node])
            longest = max(longest, Int(depth[node]))
            for other in neighbours[node] where depth[Int(other)] < 0 {
                depth[Int(other)] = depth[node] + 1
                queue.append(other)
            }
        }
        for node in queue { depth[Int(node)] = -1 }
        return (sum, queue.count - 1, longest)
    }
}
