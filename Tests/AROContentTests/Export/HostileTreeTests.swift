/// Trees that no honest tool makes, and stores that hand out wrong blocks: a real store checks hashes,
/// so these blocks stand under names that are not theirs. Every walk must end.

import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("Hostile trees")
struct HostileTreeTests {
    let fake = CID(codec: .dagPB, hash: Multihash(function: .sha256, digest: .zero))

    func isMalformed(_ failure: FetchFailure?) -> Bool {
        if case .malformed = failure { true } else { false }
    }

    @Test("A cycle ends at the depth bound, of whatever kind the nodes are")
    func cycles() {
        let cycles = [
            fileBlock([fake], sizes: [7]),
            directoryBlock([("again", fake)]),
            shardBlock([("00", fake)]),
            shardBlock([(slotDigits("again") + "again", fake)]),
        ]
        for (number, block) in cycles.enumerated() {
            let blocks = [fake: block.bytes]
            var exporter = Exporter(root: fake)
            let log = export(&exporter, from: blocks)
            #expect(isMalformed(log.failure) && log.asked.count <= 130, "cycle \(number)")
            var walk = PinWalk(root: fake)
            var steps = 0
            var failed = false
            loop: while steps < 1_000 {
                steps += 1
                switch walk.next() {
                case .needBlock(let cid): walk.blockArrived(blocks[cid] ?? [])
                case .failed: failed = true
                case .found: continue
                case .finished: break loop
                }
                if failed { break }
            }
            #expect(failed, "cycle \(number)")
        }
    }

    @Test("A cycle of two sizes fails at once: a part cannot hold more than itself")
    func growingCycle() {
        var exporter = Exporter(root: fake)
        let block = fileBlock([fake], sizes: [7], inline: [1])
        let log = export(&exporter, from: [fake: block.bytes])
        #expect(isMalformed(log.failure) && log.asked.count == 2 && log.bytes == [1])
    }

    @Test("A wide file of one repeated leaf costs no more than the bytes that are asked for")
    func wide() {
        var shelf = Shelf()
        var size: UInt64 = 1
        var node = shelf.put(rawBlock([9]))
        for _ in 0..<5 {
            node = shelf.put(
                fileBlock(
                    [CID](repeating: node, count: 4_000),
                    sizes: [UInt64](repeating: size, count: 4_000)))
            size *= 4_000
        }
        let start = size - 12_345
        let log = shelf.export(node, range: start..<start + 10)
        #expect(log.bytes == [UInt8](repeating: 9, count: 10) && log.asked.count <= 20)
    }

    @Test("Links that wait are bounded over all levels")
    func pending() {
        var shelf = Shelf()
        var directory = shelf.put(directoryBlock([]))
        let x = shelf.put(symlinkBlock("x"))
        let others = (0..<100).map { ("n\($0)", x) }
        for _ in 0..<40 { directory = shelf.put(directoryBlock([("a", directory)] + others)) }
        var exporter = Exporter(root: directory)
        exporter.pendingBound = 1_000
        let log = export(&exporter, from: shelf.blocks)
        #expect(isMalformed(log.failure) && log.asked.count == 10)
    }

    @Test("Walks over trees with damaged blocks end, and give no byte twice", arguments: [31, 32])
    func damaged(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var shelf = Shelf()
        let profile = ImportProfile(leafByteCount: 10, linksMax: 3)
        let file = shelf.put(importFile(keystream("damage", count: 300), profile: profile))
        let sub = shelf.put(try buildDirectory([("f", file), ("g", file)]))
        let root = shelf.put(try buildDirectory([("sub", sub), ("top", file)]))
        let names = shelf.blocks.keys.sorted { $0.hash.digest < $1.hash.digest }
        for round in 0..<500 {
            var blocks = shelf.blocks
            for _ in 0...generator.below(3) {
                let name = names[generator.below(names.count)]
                var bytes = blocks[name] ?? []
                switch generator.below(3) {
                case 0: bytes[generator.below(bytes.count)] ^= 1 << UInt8(generator.below(8))
                case 1: bytes.removeLast(generator.below(bytes.count))
                default: bytes = blocks[names[generator.below(names.count)]] ?? []
                }
                blocks[name] = bytes.isEmpty ? [0] : bytes
            }
            var exporter = Exporter(root: root.cid, entriesMax: 1_000)
            let log = export(&exporter, from: blocks)
            #expect(log.bytes.count <= 10_000, "seed \(seed), round \(round)")
            var listing = Listing(root: root.cid)
            var steps = 0
            listing: while true {
                steps += 1
                switch listing.next() {
                case .needBlock(let cid, _): listing.blockArrived(blocks[cid])
                case .entry: continue
                case .finished, .failed: break listing
                }
            }
            #expect(steps < 100, "seed \(seed), round \(round)")
        }
    }
}
