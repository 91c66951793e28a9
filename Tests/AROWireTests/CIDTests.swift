import AROCrypto
import AROPrimitives
import AROWire
import Testing

@Suite("Content identifiers")
struct CIDTests {
    let hello = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

    func names(_ cid: CID, _ text: String) -> Bool { cid.matches(Array(text.utf8).span.bytes) }

    @Test("The CID of a block has the text that other tools print")
    func text() throws {
        // "hello world", from Kubo's cid_profiles tests.
        let cid = CID(.raw, hashing: Array("hello world".utf8).span.bytes)
        #expect("\(cid)" == hello)
        #expect(try CID(hello) == cid && CID("B" + hello.dropFirst().uppercased()) == cid)
        #expect(try CID(bytes: cid.bytes) == cid)
        #expect(names(cid, "hello world"))
        #expect(!names(cid, "hello worlds"))
    }

    @Test("blake2b-256 CIDs are read and verified")
    func blake2b() throws {
        // BLAKE2b-256 of "abc" by Python's hashlib:
        // bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319.
        let digest = try #require(
            Hex.decode("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"))
        let cid = try CID(bytes: [1, 0x55, 0xa0, 0xe4, 0x02, 32] + digest)
        #expect(cid.hash.function == .blake2b256 && cid.bytes.count == CID.byteCountMax)
        #expect(names(cid, "abc"))
        #expect(try CID("\(cid)") == cid)
    }

    @Test("One content has one place in the DHT whatever its codec")
    func dhtKey() {
        let bytes: [UInt8] = [1, 2, 3]
        let raw = CID(.raw, hashing: bytes.span.bytes)
        let node = CID(.dagPB, hashing: bytes.span.bytes)
        #expect(raw != node && raw.dhtKey == node.dhtKey)
        #expect(raw.dhtKey.bits == SHA256Digest.of(raw.hash.bytes))
    }

    func refusal(_ bytes: [UInt8]) -> CIDFailure? {
        do throws(CIDFailure) {
            _ = try CID(bytes: bytes)
            return nil
        } catch { return error }
    }

    @Test("What is not supported is named")
    func unsupported() throws {
        let digest = [UInt8](repeating: 7, count: 32)
        #expect(refusal([1, 0x55, 0x12, 32] + digest) == nil)
        #expect(refusal([0, 0x55, 0x12, 32] + digest) == .version(0))
        #expect(refusal([2, 0x55, 0x12, 32] + digest) == .version(2))
        #expect(refusal([1, 0x71, 0x12, 32] + digest) == .codec(0x71))
        #expect(refusal([1, 0x55, 0x13, 32] + digest) == .hash(0x13))
        #expect(refusal([1, 0x55, 0x12, 20] + digest.prefix(20)) == .digestLength(20))
        #expect(throws: CIDFailure.multibase("z")) { try CID("zdj7WaS1qYUfXpPTa7s6T5ji") }
        #expect(throws: CIDFailure.version(0)) {
            try CID("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH")
        }
    }

    @Test(
        "Texts that are no CID are refused",
        arguments: ["", "b", "bb", "hello", "b!", "bafkrei", "b ", "b\u{301}afk", "bé"])
    func noCID(text: String) {
        #expect(throws: CIDFailure.self) { try CID(text) }
    }

    @Test(
        "Truncated, extended and overlong forms are refused; a flipped bit is another CID or none")
    func hostileBytes() throws {
        let good = try CID(hello)
        for count in good.bytes.indices {
            #expect(refusal(Array(good.bytes.prefix(count))) != nil)
        }
        #expect(refusal(good.bytes + [0]) == .malformed)
        #expect(refusal([0x81, 0x00] + good.bytes.dropFirst()) == .malformed)
        #expect(refusal([UInt8](repeating: 0xff, count: 40)) == .malformed)
        for bit in 0..<good.bytes.count * 8 {
            var bytes = good.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit & 7)
            if let other = try? CID(bytes: bytes) { #expect(other != good && other.bytes == bytes) }
        }
    }

    @Test("Random bytes and texts are read without a trap, and one CID has one form")
    func random() {
        var generator = Generator(seed: 17)
        for _ in 0..<20_000 {
            let bytes = (0..<generator.below(48)).map { _ in UInt8(generator.below(256)) }
            if let cid = try? CID(bytes: bytes) { #expect(cid.bytes == bytes) }
            if let cid = try? CID("b" + Base32.encode(bytes)) { #expect(cid.bytes == bytes) }
        }
    }

    @Test("A CID in a message has its length before it, within bounds")
    func inMessages() throws {
        let cid = try CID(hello)
        var message: [UInt8] = []
        message.append(cid)
        var reader = ByteReader(message.span.bytes)
        let read = try reader.cid()
        #expect(read == cid && reader.isAtEnd)
        for bytes in [[], [0], [39], [36, 1], [UInt8](repeating: 0xff, count: 300)] {
            var hostile = ByteReader(bytes.span.bytes)
            var failed = false
            do throws(DecodingFailure) { _ = try hostile.cid() } catch { failed = true }
            #expect(failed)
        }
    }
}
