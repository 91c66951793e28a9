/// What the graph of active views looks like.

import AROPrimitives

@testable import AROOverlay

extension MembershipWorld {
    var living: [Int] { nodes.indices.filter { !nodes[$0].isDead } }

    /// The links that both ends believe in, or all that at least one does.
    func neighbours(of node: Int) -> [Int] { nodes[node].view.active.map { Int($0.index) } }

    /// Links that only one end believes in.
    var oneSided: [(Int, Int)] {
        var out: [(Int, Int)] = []
        for a in living {
            for b in neighbours(of: a) where !neighbours(of: b).contains(a) || nodes[b].isDead {
                out.append((a, b))
            }
        }
        return out
    }

    /// The sizes of the connected components of the living, largest first.
    var components: [Int] {
        var seen = [Bool](repeating: false, count: nodes.count)
        var sizes: [Int] = []
        for start in living where !seen[start] {
            seen[start] = true
            var stack = [start]
            var size = 0
            while let node = stack.popLast() {
                size += 1
                for next in neighbours(of: node) where !nodes[next].isDead && !seen[next] {
                    seen[next] = true
                    stack.append(next)
                }
            }
            sizes.append(size)
        }
        return sizes.sorted(by: >)
    }

    var isConnected: Bool { components.count == 1 }

    /// How many nodes have so many neighbours, by number.
    var degrees: [Int] {
        var counts = [Int](repeating: 0, count: configuration.activeMax + 1)
        for node in living { counts[neighbours(of: node).count] += 1 }
        return counts
    }

    /// The mean over nodes of the share of pairs of neighbours that are neighbours themselves.
    var clustering: Double {
        var sum = 0.0
        for node in living {
            let around = neighbours(of: node)
            guard around.count > 1 else { continue }
            var links = 0
            for i in around.indices {
                let theirs = neighbours(of: around[i])
                for j in around.indices where j > i && theirs.contains(around[j]) { links += 1 }
            }
            sum += Double(2 * links) / Double(around.count * (around.count - 1))
        }
        return sum / Double(living.count)
    }

    /// The mean number of hops from some random nodes to all others.
    func meanPath(from samples: Int) -> Double {
        var sum = 0
        var count = 0
        let living = self.living
        for _ in 0..<samples {
            let start = living[generator.below(living.count)]
            var distance = [Int](repeating: -1, count: nodes.count)
            distance[start] = 0
            var ring = [start]
            var hops = 0
            while !ring.isEmpty {
                hops += 1
                var next: [Int] = []
                for node in ring {
                    for peer in neighbours(of: node) where distance[peer] < 0 {
                        distance[peer] = hops
                        sum += hops
                        count += 1
                        next.append(peer)
                    }
                }
                ring = next
            }
        }
        return Double(sum) / Double(count)
    }
}
