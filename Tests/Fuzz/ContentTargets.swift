/// Blocks of strangers, what proves them, and walks over trees of them.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire

enum ContentTargets {
    private static func name(_ codec: Multicodec) -> CID {
        CID(codec: codec, hash: Multihash(function: .sha256, digest: .zero))
    }

    /// A block in a role, and what follows as a child of it in each of the first roles it gives.
    static func block(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.byte()
        let codec: Multicodec = kind & 8 != 0 ? .raw : .dagPB
        let role: DagRole =
            switch kind & 3 {
            case 0: .root
            case 1: .entry(depth: input.below(140))
            default: .filePart(byteCount: input.number(), depth: input.below(70))
            }
        let parent = kind & 4 != 0 ? input.run(4_096) : input.rest()
        guard let node = decode(codec, parent, role) else { return }
        let child = input.rest()
        guard !child.isEmpty else { return }
        for next in node.children.prefix(3) { _ = decode(next.cid.codec, child, next.role) }
    }

    private static func decode(_ codec: Multicodec, _ block: [UInt8], _ role: DagRole) -> DagNode? {
        let cid = name(codec)
        let links = BlockLinks.of(cid, block)
        guard let node = try? DagNode(cid, block, as: role) else { return nil }
        check(node.children.count == links.count, "as many children as links")
        switch node {
        case .file(let file): checkFile(file, block, role)
        case .directory(let directory):
            for entry in directory.entries {
                check(EntryName.isAllowed(entry.name), "an entry's name: \(entry.name)")
                check(directory.entry(named: entry.name) == entry, "an entry is found")
            }
        case .shard(let shard):
            for link in shard.links {
                guard let entry = link.entry else { continue }
                check(EntryName.isAllowed(entry.name), "an entry's name: \(entry.name)")
                check(shard.link(toward: entry.name) == link, "an entry is found in its slot")
            }
        case .symlink(let target): check(!target.isEmpty, "a link leads somewhere")
        }
        return node
    }

    private static func checkFile(_ file: FileNode, _ block: [UInt8], _ role: DagRole) {
        check(
            file.data.lowerBound >= 0 && file.data.upperBound <= block.count,
            "a file's bytes lie in its block")
        var sum = UInt64(file.data.count)
        for link in file.links { sum += link.byteCount }
        check(sum == file.byteCount, "a file's parts add up")
        if case .filePart(let promised, _) = role {
            check(promised == file.byteCount, "a part is as long as promised")
        }
        let all = file.links(covering: 0..<file.byteCount)
        check(all.count == file.links.count, "all links cover all bytes")
        let middle = file.byteCount / 2
        _ = file.links(covering: middle..<middle + 1)
    }

    static func attestation(_ bytes: [UInt8]) {
        guard let attestation = try? Attestation(bytes: bytes) else { return }
        check(attestation.bytes == bytes, "an attestation has one form")
        try? attestation.verify()
    }

    static func proof(_ bytes: [UInt8]) {
        if let proof = try? Proof(bytes: bytes) {
            check(proof.bytes == bytes, "a proof has one form")
            _ = try? proof.verify()
        }
        // And one whose signature is good: of a hostile publisher.
        var input = FuzzInput(bytes)
        var forest = Forest(&input, blocksMax: 8)
        guard let root = forest.order.last else { return }
        let signer = Identity(seed: SecretKey(copying: [UInt8](repeating: 5, count: 32)))
        guard
            let attestation = try? Attestation(
                root: root, byteCount: input.number(), issued: UnixTime(seconds: 1), by: signer)
        else { return }
        var builder = ProofBuilder(
            attestation: attestation, path: [], offset: input.flag() ? input.number() : nil)
        for _ in 0..<300 {
            switch builder.next() {
            case .needBlock(let cid):
                guard let block = forest.blocks[cid] else { return }
                builder.blockArrived(block)
            case .finished(var proof):
                do {
                    _ = try proof.verify()
                } catch { check(false, "a proof that was built verifies: \(error)") }
                check((try? Proof(bytes: proof.bytes)) == proof, "a proof is read back")
                guard !proof.steps.isEmpty else { return }
                let step = input.below(proof.steps.count)
                proof.steps[step].index = input.below(65_536)
                _ = try? proof.verify()
                return
            case .failed: return
            }
        }
        forest.order = []
        check(false, "a proof is built in as many steps as there are levels")
    }

    /// Exports, listings, path look-ups and pins of a tree that the fuzzer made, hashes and all.
    static func walk(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let forest = Forest(&input, blocksMax: 24)
        guard let root = forest.order.last else { return }
        let names = (0..<input.below(3)).map { _ in String(forest.name(&input)) }
        let low = input.number()
        let range: Range<UInt64>? = input.flag() ? low..<max(low, input.number()) : nil
        export(forest, Exporter(root: root, path: names, range: range, entriesMax: 500))
        list(forest, Listing(root: root, path: names))
        find(forest, PathLookup(root: root, path: names))
        pin(forest, PinWalk(root: root))
    }

    private static let stepsMax = 20_000

    private static func export(_ forest: Forest, _ start: Exporter) {
        var exporter = start
        var depth = 0
        var written: UInt64?
        for _ in 0..<stepsMax {
            _ = exporter.upcoming(4)
            switch exporter.next() {
            case .needBlock(let cid):
                guard let block = forest.blocks[cid] else { return }
                exporter.blockArrived(block)
            case .beginFile: written = nil
            case .bytes(let bytes, let offset):
                check(!bytes.isEmpty, "no empty bytes")
                check(written ?? offset == offset, "a file's bytes have no gaps")
                written = offset + UInt64(bytes.count)
            case .endFile: written = nil
            case .enterDirectory: depth += 1
            case .leaveDirectory: depth -= 1
            case .symlink: break
            case .finished: return check(depth == 0, "directories are left again")
            case .failed: return
            }
        }
    }

    private static func list(_ forest: Forest, _ start: Listing) {
        var listing = start
        for _ in 0..<stepsMax {
            switch listing.next() {
            case .needBlock(let cid, let isRequired):
                let block = forest.blocks[cid]
                guard block != nil || !isRequired else { return }
                listing.blockArrived(block)
            case .entry: break
            case .finished, .failed: return
            }
        }
    }

    private static func find(_ forest: Forest, _ start: PathLookup) {
        var lookup = start
        for _ in 0..<stepsMax {
            guard case .needBlock(let cid) = lookup.next(), let block = forest.blocks[cid] else {
                return
            }
            lookup.blockArrived(block)
        }
        check(false, "a path of few names is found in few steps")
    }

    private static func pin(_ forest: Forest, _ start: PinWalk) {
        var walk = start
        var seen: Set<CID> = []
        for _ in 0..<stepsMax {
            switch walk.next() {
            case .found(let cid): if !seen.insert(cid).inserted { walk.skip() }
            case .needBlock(let cid):
                guard let block = forest.blocks[cid] else { return }
                walk.blockArrived(block)
            case .finished, .failed: return
            }
        }
        check(false, "a pin with skipping is linear in its blocks")
    }
}

/// Blocks made bottom-up out of a fuzzer's decisions, so that their hashes are right and everything
/// else may be wrong.
struct Forest {
    var blocks: [CID: [UInt8]] = [:]
    var order: [CID] = []
    /// The bytes of the files that the blocks say they are.
    private var sizes: [CID: UInt64] = [:]

    init(_ input: inout FuzzInput, blocksMax: Int) {
        for _ in 0...input.below(blocksMax) {
            guard !input.isAtEnd || order.isEmpty else { return }
            make(&input)
        }
    }

    private mutating func make(_ input: inout FuzzInput) {
        switch input.below(8) {
        case 0: keep(.raw, input.run(64), size: nil)
        case 1: keep(.dagPB, input.run(200), size: nil)
        case 2, 3, 4: makeFile(&input)
        case 5: makeDirectory(&input)
        case 6: makeShard(&input)
        default:
            var data = field(1, 4)
            data += field(2, input.run(20))
            keep(.dagPB, field(1, data), size: nil)
        }
    }

    private mutating func keep(_ codec: Multicodec, _ block: [UInt8], size: UInt64?) {
        let cid = CID(codec, hashing: block.span.bytes)
        blocks[cid] = block
        order.append(cid)
        sizes[cid] = size ?? UInt64(block.count)
    }

    private func child(_ input: inout FuzzInput) -> CID {
        guard !order.isEmpty, input.byte() != 0 else { return CID(.raw, hashing: RawSpan()) }
        return order[input.below(order.count)]
    }

    private mutating func makeFile(_ input: inout FuzzInput) {
        let inline = input.flag() ? input.run(30) : []
        var links: [UInt8] = []
        var counts: [UInt8] = []
        var total = UInt64(inline.count)
        for _ in 0..<input.below(5) {
            let cid = child(&input)
            let size = input.byte() == 1 ? input.number() : sizes[cid] ?? 0
            links += field(2, link(cid, name: [], size: size))
            counts += field(4, size)
            total &+= size
        }
        var data = field(1, input.byte() == 2 ? 0 : 2)
        if !inline.isEmpty { data += field(2, inline) }
        data += field(3, input.byte() == 1 ? input.number() : total) + counts
        keep(.dagPB, links + field(1, data), size: total)
    }

    private mutating func makeDirectory(_ input: inout FuzzInput) {
        var links: [UInt8] = []
        for _ in 0..<input.below(6) {
            let name = name(&input)
            links += field(2, link(child(&input), name: Array(name.utf8), size: 1))
        }
        keep(.dagPB, links + field(1, field(1, 1)), size: nil)
    }

    /// A name out of few, so that paths meet entries.
    func name(_ input: inout FuzzInput) -> String { ["a", "b", "c", "d/"][input.below(4)] }

    private mutating func makeShard(_ input: inout FuzzInput) {
        let fanout = 8 << input.below(8)
        let digits = fanout <= 16 ? 1 : fanout <= 256 ? 2 : 3
        var bits = [UInt8](repeating: 0, count: max(fanout / 8, 1))
        var links: [UInt8] = []
        for _ in 0..<input.below(6) {
            let slot = input.below(fanout)
            if slot / 8 < bits.count { bits[bits.count - 1 - slot / 8] |= 1 << UInt8(slot & 7) }
            var name = String(slot, radix: 16, uppercase: true)
            while name.count < digits { name = "0" + name }
            if input.flag() { name += self.name(&input) }
            links += field(2, link(child(&input), name: Array(name.utf8), size: 1))
        }
        var data = field(1, 5) + field(2, bits)
        data += field(5, 0x22) + field(6, UInt64(fanout))
        keep(.dagPB, links + field(1, data), size: nil)
    }

    private func link(_ cid: CID, name: [UInt8], size: UInt64) -> [UInt8] {
        field(1, cid.bytes) + field(2, name) + field(3, size)
    }

    private func field(_ number: UInt8, _ value: UInt64) -> [UInt8] {
        var out = [number << 3]
        out.appendLEB128(value)
        return out
    }

    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var out = [number << 3 | 2]
        out.appendLEB128(UInt64(bytes.count))
        return out + bytes
    }
}
