import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROContent

func identity(_ seed: UInt64) -> Identity {
    Identity(seed: SecretKey(copying: Bits256(seed, 0, 0, 0).bytes))
}

func attest(_ root: ImportedRoot, name: String = "", seed: UInt64 = 1) throws -> Attestation {
    try Attestation(
        root: root.cid, byteCount: root.byteCount, name: name, mediaType: "text/plain",
        issued: UnixTime(seconds: 1_700_000_000), by: identity(seed))
}

@Suite("Attestations")
struct AttestationTests {
    let root = importFile(Array("hello world".utf8)).root

    @Test("What was signed verifies and reads back the same")
    func roundTrip() throws {
        let attestation = try attest(root, name: "grüße.txt")
        try attestation.verify()
        let read = try Attestation(bytes: attestation.bytes)
        #expect(read == attestation && read.bytes == attestation.bytes)
        try read.verify()
        #expect(attestation.bytes.count <= Attestation.byteCountMax)
    }

    @Test("The largest attestation is not larger than the bound says")
    func largest() throws {
        let blake = CID(
            codec: .dagPB, hash: Multihash(.blake2b256, of: [UInt8]([1]).span.bytes))
        let attestation = try Attestation(
            root: blake, byteCount: UInt64(Int64.max), name: String(repeating: "n", count: 255),
            mediaType: String(repeating: "m", count: 127), issued: UnixTime(seconds: .max),
            by: identity(2))
        #expect(try Attestation(bytes: attestation.bytes) == attestation)
        #expect(attestation.bytes.count <= Attestation.byteCountMax)
    }

    @Test("Any change of any field breaks the signature")
    func tampering() throws {
        let good = try attest(root, name: "a")
        var changed: [Attestation] = []
        func change(_ edit: (inout Attestation) -> Void) {
            var copy = good
            edit(&copy)
            changed.append(copy)
        }
        change { $0.root = importFile([1]).root.cid }
        change { $0.publisher = identity(2).id }
        change { $0.issued.seconds += 1 }
        change { $0.byteCount += 1 }
        change { $0.name = "b" }
        change { $0.mediaType = "" }
        change { $0.signature.s.w3 ^= 1 }
        for attestation in changed {
            #expect(throws: AttestationFailure.signature) { try attestation.verify() }
        }
    }

    @Test("Text cannot wander between name and media type")
    func ambiguity() throws {
        var moved = try attest(root, name: "ab")
        moved.name = "a"
        moved.mediaType = "b" + moved.mediaType
        #expect(throws: AttestationFailure.signature) { try moved.verify() }
    }

    @Test("A signature of the bare statement, without the domain, is not one of an attestation")
    func domain() throws {
        var attestation = try attest(root)
        let bare = Array(attestation.bytes.dropLast(Signature.byteCount))
        attestation.signature = identity(1).sign(bare)
        #expect(throws: AttestationFailure.signature) { try attestation.verify() }
    }

    @Test("Names, media types and numbers out of bounds are neither made nor read")
    func bounds() throws {
        for name in ["a/b", "..", "a\0", String(repeating: "x", count: 256)] {
            #expect(throws: AttestationFailure.name) { try attest(root, name: name) }
            var forged = try attest(root)
            forged.name = name
            #expect(throws: AttestationFailure.name) { try forged.verify() }
            #expect(throws: DecodingFailure.outOfBounds) { try Attestation(bytes: forged.bytes) }
        }
        for type in ["tab\t", "grün", String(repeating: "x", count: 128)] {
            var forged = try attest(root)
            forged.mediaType = type
            #expect(throws: AttestationFailure.mediaType) { try forged.verify() }
            #expect(throws: DecodingFailure.outOfBounds) { try Attestation(bytes: forged.bytes) }
        }
        var forged = try attest(root)
        forged.byteCount = 1 << 63
        #expect(throws: AttestationFailure.numbers) { try forged.verify() }
        #expect(throws: DecodingFailure.outOfBounds) { try Attestation(bytes: forged.bytes) }
    }

    @Test("Truncated, extended, flipped and random bytes are refused or do not verify")
    func hostileBytes() throws {
        let good = try attest(root, name: "name").bytes
        for count in good.indices {
            #expect(throws: DecodingFailure.self) {
                try Attestation(bytes: Array(good.prefix(count)))
            }
        }
        #expect(throws: DecodingFailure.trailingBytes) { try Attestation(bytes: good + [0]) }
        for bit in 0..<good.count * 8 {
            var bytes = good
            bytes[bit / 8] ^= 1 << UInt8(bit & 7)
            if let read = try? Attestation(bytes: bytes) {
                #expect(read.bytes == bytes, "bit \(bit): one statement, two encodings")
                #expect(throws: AttestationFailure.self) { try read.verify() }
            }
        }
    }
}
