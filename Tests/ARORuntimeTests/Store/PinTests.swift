// Pins keep whole trees, complete or not, and the quota takes the rest, oldest first.

import AROPrimitives
import AROWire
import Foundation
import Testing

@testable import ARORuntime

/// Three leaves under two nodes under a root; the second leaf under both nodes.
private struct Tree {
    let leaves = (0..<3).map { Block(seed: 100 + $0, byteCount: 20_000) }
    let left, right, root: Block

    init() {
        left = Block(linkingTo: [leaves[0].cid, leaves[1].cid, leaves[1].cid])
        right = Block(linkingTo: [leaves[1].cid, leaves[2].cid])
        root = Block(linkingTo: [left.cid, right.cid])
    }

    var all: [Block] { leaves + [left, right, root] }
}

@Suite struct PinTests {
    @Test func gcRemovesWhatNoPinKeeps() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let tree = Tree()
        let other = Block(seed: 1, byteCount: 30_000)
        try store.write(tree.all + [other])
        try store.pin(tree.root.cid, name: "tree")
        #expect(try store.collectGarbage().blocks == 1)
        #expect(!store.holds(other))
        for block in tree.all { #expect(try store.read(block.cid) == block.bytes) }
        #expect(try store.pinnedUsage() == store.usage)
        #expect(try store.unpin(tree.root.cid))
        #expect(try !store.unpin(tree.root.cid))
        #expect(try store.collectGarbage().blocks == 6)
        #expect(store.usage == StoreUsage())
        #expect(scratch.files(below: "chunks").allSatisfy { $0 == ".pending" })
        #expect(try store.rowCounts == [0, 0, 0, 0])
    }

    @Test func aBlockUnderTwoPinsStaysUntilBothAreGone() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let tree = Tree()
        try store.write(tree.all)
        try store.pin(tree.left.cid)
        try store.pin(tree.right.cid)
        try store.unpin(tree.left.cid)
        try store.collectGarbage()
        #expect(tree.all.map(store.holds) == [false, true, true, false, true, false])
        try store.unpin(tree.right.cid)
        try store.collectGarbage()
        #expect(try store.rowCounts == [0, 0, 0, 0])
    }

    @Test func aDirectPinKeepsOneBlock() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let tree = Tree()
        try store.write(tree.all)
        try store.pin(tree.root.cid, recursive: false)
        try store.collectGarbage()
        #expect(tree.all.map(store.holds) == [false, false, false, false, false, true])
        try store.pin(tree.root.cid, recursive: true, name: "now all")
        #expect(try store.pins().map(\.isRecursive) == [true])
        try store.unpin(tree.root.cid)
        try store.collectGarbage()
        #expect(try store.rowCounts == [0, 0, 0, 0])
    }

    @Test func whatArrivesUnderAPinnedRootIsKept() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let tree = Tree()
        try store.pin(tree.root.cid)
        // From the root down, as a fetch does it; then a leaf before its parent.
        for block in [tree.root, tree.left, tree.leaves[0], tree.leaves[2], tree.right] {
            try store.write(block)
            try store.settle()
        }
        try store.write(tree.leaves[1])
        try store.collectGarbage()
        for block in tree.all { #expect(store.holds(block)) }
    }

    @Test func pinsAreWorkedOutAfterReopening() throws {
        let scratch = Scratch()
        let tree = Tree()
        do {
            let store = try scratch.store()
            try store.write(tree.all)
            try store.pin(tree.root.cid, name: "kept")
        }
        let store = try scratch.store()
        try store.collectGarbage()
        for block in tree.all { #expect(store.holds(block)) }
        #expect(try store.pins().map(\.name) == ["kept"])
        #expect(try store.isPinned(tree.leaves[0].cid))
    }

    @Test func aDamagedNodeKeepsItsTreePinned() throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let leaf = Block(seed: 1, byteCount: 30_000)
        let root = Block(linkingTo: [leaf.cid])
        try store.write([leaf, root])
        try store.pin(root.cid)
        try store.settle()
        try store.index.write { try $0.execute(sql: "UPDATE small SET data = x'00'") }
        #expect(store.failure(reading: root) == .corrupt(root.cid))
        try store.collectGarbage()
        #expect(store.holds(leaf))
        try store.write(root)
        try store.collectGarbage()
        #expect(store.holds(root) && store.holds(leaf))
        try store.unpin(root.cid)
        try store.collectGarbage()
        #expect(try store.rowCounts == [0, 0, 0, 0])
    }

    @Test func randomPinsKeepJustWhatTheyReach() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        var generator = Generator(seed: seed)
        let scratch = Scratch()
        let store = try scratch.store()
        var blocks = (0..<20).map { Block(seed: $0, byteCount: 50) }
        var children: [CID: [CID]] = [:]
        for salt in 0..<UInt8(60) {
            let links = (0..<generator.below(5)).map { _ in
                blocks[generator.below(blocks.count)].cid
            }
            let node = Block(linkingTo: links, salt: salt)
            children[node.cid] = links
            blocks.append(node)
        }
        var pinned: [CID] = []
        for _ in 0..<120 {
            let cid = blocks[generator.below(blocks.count)].cid
            if let at = pinned.firstIndex(of: cid) {
                pinned.remove(at: at)
                try store.unpin(cid)
            } else if generator.chance(1, in: 2) {
                pinned.append(cid)
                try store.pin(cid)
            }
            if generator.chance(1, in: 3) { _ = try store.settleSome() }
            if generator.chance(1, in: 2) { try store.write(blocks[generator.below(blocks.count)]) }
        }
        try store.write(blocks)
        try store.collectGarbage()
        var reached = Set<CID>()
        var open = pinned
        while let cid = open.popLast() {
            if reached.insert(cid).inserted { open += children[cid] ?? [] }
        }
        for block in blocks {
            #expect(store.holds(block) == reached.contains(block.cid), "seed \(seed)")
        }
        for cid in pinned { try store.unpin(cid) }
        try store.collectGarbage()
        #expect(try store.rowCounts == [0, 0, 0, 0], "seed \(seed)")
    }

    // MARK: Quota

    @Test func theLeastRecentlyUsedGoesFirst() throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 10 * 20_512)
        let blocks = (0..<10).map { Block(seed: $0, byteCount: 20_000) }
        for block in blocks { try store.write(block) }
        _ = try store.read(blocks[0].cid)
        _ = try store.touch([blocks[1].cid])
        try store.write(Block(seed: 50, byteCount: 20_000))
        #expect(store.holds(blocks[0]) && store.holds(blocks[1]))
        #expect(!store.holds(blocks[2]))
        #expect(store.holds(blocks[9]))
        #expect(store.usage.bytes <= store.quota)
        #expect(!Files.exists(store.files.path(of: blocks[2].cid)))
    }

    @Test func aQuotaFullOfPinsRefusesWithAClearFailure() throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 5 * 20_512)
        let blocks = (0..<5).map { Block(seed: $0, byteCount: 20_000) }
        for block in blocks {
            try store.write(block)
            try store.pin(block.cid)
        }
        let more = Block(seed: 9, byteCount: 20_000)
        let failure = failure { () throws(StoreFailure) in try store.write(more) }
        #expect(failure == .full(quota: 102_560, used: 102_560, wanted: 20_512))
        #expect(failure?.forNode == .full)
        #expect(failure?.description.contains("raise --quota") == true)
        #expect(!store.holds(more))
        #expect(scratch.files(below: "chunks/.incoming").isEmpty)
        // What is held already needs no room.
        try store.write(blocks[0])
        try store.unpin(blocks[0].cid)
        try store.write(more)
        #expect(store.holds(more) && !store.holds(blocks[0]))
    }

    @Test func whatIsInUseIsNotEvicted() throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 4 * 20_512)
        let old = Block(seed: 1, byteCount: 20_000)
        try store.write(old)
        var use: StoreUse? = store.beginUse()
        let blocks = (10..<13).map { Block(seed: $0, byteCount: 20_000) }
        for block in blocks { try store.write(block) }
        let next = Block(seed: 20, byteCount: 20_000)
        try store.write(next)
        #expect(!store.holds(old))
        let last = Block(seed: 21, byteCount: 20_000)
        #expect(failure { () throws(StoreFailure) in try store.write(last) }?.forNode == .full)
        for block in blocks { #expect(store.holds(block)) }
        withExtendedLifetime(use) {}
        use = nil
        try store.write(last)
        #expect(store.holds(last) && !store.holds(blocks[0]))
    }

    @Test func aBatchDoesNotEvictWhatItFoundThere() throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 4 * 20_512)
        let blocks = (0..<7).map { Block(seed: $0, byteCount: 20_000) }
        for block in blocks[..<4] { try store.write(block) }
        // The two oldest lie there already; room for the new ones comes from the others.
        try store.write([blocks[0], blocks[1], blocks[5], blocks[6]])
        #expect(blocks.map(store.holds) == [true, true, false, false, false, true, true])
        for i in [0, 1, 5, 6] { #expect(try store.read(blocks[i].cid) == blocks[i].bytes) }
    }

    @Test func evictionNeverTakesFromAPinnedTree() throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 300_000)
        let tree = Tree()
        try store.write(tree.all)
        try store.pin(tree.root.cid)
        for seed in 0..<UInt64(60) {
            try store.write(Block(seed: 1_000 + seed, byteCount: Int(seed % 5) * 8_000))
        }
        for block in tree.all { #expect(try store.read(block.cid) == block.bytes) }
        #expect(store.usage.bytes <= 300_000)
    }

    @Test func theDefaultQuotaIsAtMostATenthOfTheDisk() throws {
        let scratch = Scratch()
        let total = try #require(Files.space(at: scratch.path)).total
        #expect(StoreOptions().quota(on: scratch.path) == min(10 << 30, total / 10))
    }
}

extension ChunkStore {
    /// Rows of `block`, `small`, `link` and `unsettled`.
    var rowCounts: [Int] {
        get throws {
            try index.read { db in
                try ["block", "small", "link", "unsettled"].map { table in
                    try db.row("SELECT count(*) AS n FROM \(table)")?["n"] ?? -1
                }
            }
        }
    }
}
