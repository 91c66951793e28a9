import AROPrimitives
import AROWire
import Testing

@testable import AROContent

private let small = ImportProfile(leafByteCount: 10, linksMax: 3)

@Suite("Proofs")
struct ProofTests {
    func build(
        _ attestation: Attestation, path: [String] = [], offset: UInt64? = nil, _ shelf: Shelf
    ) throws -> Proof {
        var builder = ProofBuilder(attestation: attestation, path: path, offset: offset)
        while true {
            switch builder.next() {
            case .needBlock(let cid): builder.blockArrived(try #require(shelf.blocks[cid]))
            case .finished(let proof): return proof
            case .failed(let failure): throw failure
            }
        }
    }

    func matches(_ target: ProvenTarget, _ bytes: some Collection<UInt8>) -> Bool {
        var check = ProvenBytes(target)
        for byte in bytes { check.append([byte].span.bytes) }
        return check.finish()
    }

    @Test("A chunk's proof says which bytes of which file it is, and holds against them only")
    func chunks() throws {
        var shelf = Shelf()
        let bytes = keystream("proofs", count: 205)
        let root = shelf.put(importFile(bytes, profile: small))
        let attestation = try attest(root)
        for offset in [0, 9, 10, 137, 199, 200, 204] {
            let proof = try build(attestation, offset: UInt64(offset), shelf)
            let target = try Proof(bytes: proof.bytes).verify()
            let start = offset / 10 * 10
            let end = min(start + 10, 205)
            #expect(target.range == UInt64(start)..<UInt64(end))
            #expect(target.fileByteCount == 205 && target.root == root.cid)
            #expect(target.publisher == attestation.publisher && target.path == [])
            #expect(matches(target, bytes[start..<end]))
            #expect(!matches(target, bytes[start..<end].dropLast()))
            #expect(!matches(target, bytes[start..<end] + [0]))
            #expect(!matches(target, bytes[start..<end].reversed()))
        }
        #expect(throws: FetchFailure.rangeOutside(fileBytes: 205)) {
            try build(attestation, offset: 205, shelf)
        }
    }

    @Test("A whole file's proof is its attestation: the file imported again gives the root")
    func wholeFile() throws {
        let bytes = keystream("whole", count: 1_048_577)
        let root = importFile(bytes).root
        let target = try Proof(bytes: Proof(attestation: attest(root)).bytes).verify()
        #expect(target.cid == root.cid && target.range == nil)
        var check = ProvenBytes(target)
        check.append(bytes.span.bytes)
        #expect(check.finish())
        var shorter = ProvenBytes(target)
        shorter.append(bytes.span.bytes.extracting(first: 1_048_576))
        #expect(!shorter.finish())
    }

    @Test("A proof leads through directories and shards to a file and to its chunks")
    func throughDirectories() throws {
        var shelf = Shelf()
        let bytes = keystream("inside", count: 95)
        let file = shelf.put(importFile(bytes, profile: small))
        let x = shelf.put(importFile([0x78]))
        var entries = (0..<5_000).map { ("entry number \($0) of a large directory", x) }
        entries.append(("the file", file))
        let big = shelf.put(try buildDirectory(entries))
        let root = shelf.put(try buildDirectory([("big", big), ("other", x)]))
        let attestation = try attest(root)
        let chunk = try build(attestation, path: ["big", "the file"], offset: 94, shelf).verify()
        #expect(chunk.path == ["big", "the file"] && chunk.range == 90..<95)
        #expect(matches(chunk, bytes[90...]))
        let leaf = try build(attestation, path: ["other"], shelf).verify()
        #expect(leaf.path == ["other"] && leaf.range == nil && matches(leaf, [0x78]))
        let whole = try build(attestation, path: ["big"], shelf).verify()
        #expect(whole.cid == big.cid)
        #expect(throws: FetchFailure.pathNotFound("no")) {
            try build(attestation, path: ["no"], shelf)
        }
        #expect(throws: FetchFailure.pathNotFound("no")) {
            try build(attestation, path: ["big", "no"], shelf)
        }
        #expect(throws: FetchFailure.notADirectory("x")) {
            try build(attestation, path: ["other", "x"], shelf)
        }
        #expect(throws: FetchFailure.rangeOfDirectory) {
            try build(attestation, path: ["big"], offset: 0, shelf)
        }
    }

    @Test("Swapped blocks, other links and other publishers are found out")
    func tampering() throws {
        var shelf = Shelf()
        let root = shelf.put(importFile(keystream("tamper", count: 205), profile: small))
        let good = try build(attest(root), offset: 100, shelf)
        #expect(good.steps.count == 3)

        var swapped = good
        swapped.steps.swapAt(0, 1)
        #expect(throws: ProofFailure.wrongBlock(step: 0)) { try swapped.verify() }
        var flipped = good
        flipped.steps[1].block[5] ^= 1
        #expect(throws: ProofFailure.wrongBlock(step: 1)) { try flipped.verify() }
        var other = good
        other.steps[2].index = 3
        #expect(throws: ProofFailure.noSuchLink(step: 2)) { try other.verify() }
        other.steps[2].index = -1
        #expect(throws: ProofFailure.noSuchLink(step: 2)) { try other.verify() }
        var forged = good
        forged.attestation.publisher = identity(7).id
        #expect(throws: ProofFailure.attestation(.signature)) { try forged.verify() }
        var neighbour = good
        neighbour.steps[2].index ^= 1
        let target = try neighbour.verify()
        let proven = try good.verify()
        #expect(target.cid != proven.cid && target.range != proven.range)
    }

    @Test("Truncated, extended, flipped and random proofs are refused or prove something else")
    func hostileBytes() throws {
        var shelf = Shelf()
        let bytes = keystream("hostile", count: 95)
        let root = shelf.put(importFile(bytes, profile: small))
        let proof = try build(attest(root), offset: 50, shelf)
        let good = proof.bytes
        let proven = try proof.verify()
        for count in good.indices {
            #expect(throws: ProofFailure.self) { try Proof(bytes: Array(good.prefix(count))) }
        }
        #expect(throws: ProofFailure.decoding(.trailingBytes)) { try Proof(bytes: good + [0]) }
        for bit in 0..<good.count * 8 {
            var bytes = good
            bytes[bit / 8] ^= 1 << UInt8(bit & 7)
            guard let read = try? Proof(bytes: bytes) else { continue }
            #expect(read.bytes == bytes, "bit \(bit)")
            if let target = try? read.verify() { #expect(target != proven, "bit \(bit)") }
        }
        var generator = Generator(seed: 23)
        for _ in 0..<2_000 {
            let tail = (0..<generator.below(300)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? Proof(bytes: good.prefix(generator.below(good.count)) + tail).verify()
        }
    }

    @Test("A proof with more steps than a tree can have is refused before they are read")
    func tooManySteps() throws {
        let attestation = try attest(importFile([1]).root)
        let step = Proof.Step(index: 0, block: [])
        let most = Proof(
            attestation: attestation, steps: [Proof.Step](repeating: step, count: Proof.stepsMax))
        #expect(try Proof(bytes: most.bytes).steps.count == Proof.stepsMax)
        let more = Proof(attestation: attestation, steps: most.steps + [step])
        #expect(throws: ProofFailure.decoding(.outOfBounds)) { try Proof(bytes: more.bytes) }
    }
}
