import AROCrypto
import AROPrimitives
import Testing

private func bits(_ hex: String) -> Bits256 { Bits256(Hex.decode(hex)!)! }
private func secret(_ hex: String) -> SecretKey { SecretKey(copying: Hex.decode(hex)!) }

/// Published vectors of every algorithm, and what must not verify.
@Suite struct VectorTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func `SHA-256 gives the digests of FIPS 180-4`(text: String, digest: String) {
        let bytes = Array(text.utf8)
        #expect(SHA256Digest.of(bytes).description == digest)
        var hasher = SHA256Hasher()
        for byte in bytes {
            let one = [byte]
            hasher.update(one.span.bytes)
        }
        #expect(hasher.finish().description == digest)
    }

    @Test func `BLAKE2b gives the digest of RFC 7693, and the reference's keyed one`() {
        let text = Array("abc".utf8)
        #expect(
            Hex.encode(BLAKE2b.digest(of: text.span.bytes, byteCount: 64))
                == "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")
        // The first of the keyed known answers that come with BLAKE2's reference code.
        let key = (0..<64).map { UInt8($0) }
        #expect(
            Hex.encode(BLAKE2b.digest(of: RawSpan(), byteCount: 64, key: key.span.bytes))
                == "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
                + "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568")
    }

    /// RFC 8032 §7.1, tests 1 and 3.
    @Test(arguments: [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ])
    func `Ed25519 signs as RFC 8032 does`(vector: [String]) {
        let identity = Identity(seed: secret(vector[0]))
        let message = Hex.decode(vector[2])!
        let (id, signature) = (identity.id, identity.sign(message))
        #expect(id.key.description == vector[1])
        #expect(signature.r.description + signature.s.description == vector[3])
        #expect(signature.verifies(message, by: id))
    }

    @Test func `a changed signature, message or key does not verify`() {
        let identity = Identity(seed: secret(String(repeating: "11", count: 32)))
        let message = Array("a statement".utf8)
        let (id, signature) = (identity.id, identity.sign(message))
        for bit in 0..<256 {
            let word = UInt64(1) << UInt64(63 - bit % 64)
            let flip = [
                Bits256(word, 0, 0, 0), Bits256(0, word, 0, 0), Bits256(0, 0, word, 0),
                Bits256(0, 0, 0, word),
            ][bit / 64]
            let r = Signature(r: signature.r ^ flip, s: signature.s)
            let s = Signature(r: signature.r, s: signature.s ^ flip)
            #expect(!r.verifies(message, by: id))
            #expect(!s.verifies(message, by: id))
            #expect(!signature.verifies(message, by: PeerID(key: id.key ^ flip)))
        }
        #expect(!signature.verifies(message + [0], by: id))
        #expect(!signature.verifies([], by: id))
        // The neutral element as a key would let anybody sign.
        let neutral = PeerID(key: Bits256(1 << 56, 0, 0, 0))
        #expect(!Signature(r: Bits256(1 << 56, 0, 0, 0), s: .zero).verifies(message, by: neutral))
    }

    /// RFC 8037 A.6, whose keys are those of RFC 7748 §6.1, and RFC 7748 §5.2.
    @Test(arguments: [
        [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        ],
        [
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ],
    ])
    func `X25519 gives the secrets of the RFCs`(vector: [String]) {
        let key = AgreementKey(secret: secret(vector[0]))
        let copy = key.copy()
        let peer = AgreementPublicKey(bits: bits(vector[1]))
        let shared = key.sharedSecret(with: peer)?.withBytes { Hex.encode(Array($0)) }
        let again = copy.sharedSecret(with: peer)?.withBytes { Hex.encode(Array($0)) }
        #expect(shared == vector[2])
        #expect(again == vector[2])
    }

    @Test func `low-order points give no secret`() {
        let key = AgreementKey(secret: secret(String(repeating: "42", count: 32)))
        for point in [
            Bits256.zero, Bits256(1 << 56, 0, 0, 0),
            bits("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            bits("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        ] {
            let isNil = key.sharedSecret(with: AgreementPublicKey(bits: point)) == nil
            #expect(isNil)
        }
    }

    /// libsodium's test/default/ed25519_convert.c.
    @Test func `an Ed25519 key converts to the X25519 key of libsodium's test`() {
        let identity = Identity(
            seed: secret("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee"))
        let expected = "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50"
        let (id, own) = (identity.id, identity.agreement.publicKey)
        #expect(AgreementPublicKey(of: id)?.bits.description == expected)
        #expect(own.bits.description == expected)
    }

    @Test func `what is no Ed25519 key converts to nothing`() {
        // The neutral element, a point of order 8, and a number that is no point at all.
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            #expect(AgreementPublicKey(of: PeerID(key: bits(hex))) == nil)
        }
    }
}

@Suite struct PacketKeyTests {
    private func open(
        _ key: borrowing PacketKey, _ text: [UInt8], _ sequence: UInt64, _ header: [UInt8]
    ) -> [UInt8]? {
        var text = text
        let isAuthentic = text.withUnsafeMutableBytes { text in
            header.withUnsafeBytes {
                key.open(text.baseAddress!, count: text.count, sequence: sequence, header: $0)
            }
        }
        return isAuthentic ? Array(text.dropLast(16)) : nil
    }

    private func check(_ opened: [UInt8]?, _ expected: [UInt8]?) {
        #expect(opened == expected)
    }

    private func seal(
        _ key: borrowing PacketKey, _ text: [UInt8], _ sequence: UInt64, _ header: [UInt8]
    ) -> [UInt8] {
        var out = text + Array(repeating: 0, count: 16)
        out.withUnsafeMutableBytes { out in
            header.withUnsafeBytes {
                key.seal(out.baseAddress!, count: text.count, sequence: sequence, header: $0)
            }
        }
        return out
    }

    /// RFC 8439 A.5, whose nonce has the form of ours: four zero bytes, then a number.
    @Test func `ChaCha20-Poly1305 opens the text of RFC 8439`() throws {
        let key = PacketKey(
            .chaCha20Poly1305,
            key: secret("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"))
        let ciphertext =
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
            + "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
            + "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
            + "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
            + "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
            + "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
            + "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
            + "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
            + "a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38"
        let opened = open(
            key, Hex.decode(ciphertext)!, 0x0807_0605_0403_0201,
            Hex.decode("f33388860000000000004e91")!)
        let text = try #require(opened)
        #expect(String(decoding: text, as: UTF8.self).hasPrefix("Internet-Drafts are draft"))
        #expect(text.count == 265)
    }

    /// Test cases 13 and 14 of McGrew and Viega, "The Galois/Counter Mode of Operation" (2005).
    @Test(.enabled(if: CipherSuite.hasAES))
    func `AES-256-GCM gives the texts of its authors`() {
        let key = PacketKey(.aes256GCM, key: secret(String(repeating: "00", count: 32)))
        let empty = Hex.encode(seal(key, [], 0, []))
        #expect(empty == "530f8afbc74536b9a963b4f1c4cb738b")
        let zeros = Hex.encode(seal(key, Array(repeating: 0, count: 16), 0, []))
        #expect(
            zeros == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
    }

    @Test(arguments: CipherSuite.allCases)
    func `only the whole, unchanged packet under its number and header opens`(suite: CipherSuite) {
        guard suite != .aes256GCM || CipherSuite.hasAES else { return }
        let key = PacketKey(suite, key: secret(String(repeating: "07", count: 32)))
        let (text, header) = (Array("some frames".utf8), Array("a header".utf8))
        let sealed = seal(key, text, 1 << 40, header)
        check(open(key, sealed, 1 << 40, header), text)
        check(open(key, sealed, 1 << 40 + 1, header), nil)
        for i in sealed.indices {
            var forged = sealed
            forged[i] ^= 1 << UInt8(i & 7)
            check(open(key, forged, 1 << 40, header), nil)
        }
        for i in header.indices {
            var forged = header
            forged[i] ^= 0x80
            check(open(key, sealed, 1 << 40, forged), nil)
        }
        for count in sealed.indices {
            check(open(key, Array(sealed.prefix(count)), 1 << 40, header), nil)
        }
        let other = PacketKey(suite, key: secret(String(repeating: "08", count: 32)))
        check(open(other, sealed, 1 << 40, header), nil)
    }
}

@Suite struct EntropyTests {
    @Test func `the same seed gives the same bytes, another seed others`() {
        var a = Entropies(1)
        var b = Entropies(1)
        var c = Entropies(2)
        let (first, second, third) = (a.draw(), b.draw(), c.draw())
        #expect(first == second)
        #expect(first != third)
        let next = a.draw()
        #expect(next != first)
    }

    private struct Entropies: ~Copyable {
        var entropy: Entropy
        init(_ seed: UInt64) { entropy = Entropy(seed: Bits256(seed, 0, 0, 0)) }
        mutating func draw() -> [UInt8] { entropy.bytes(40) }
    }

    @Test func `the system's differs each time, and any count can be drawn`() {
        let (a, b) = (Entropy.system().bytesOnce(16), Entropy.system().bytesOnce(16))
        #expect(a != b)
        var entropy = Entropy(seed: .zero)
        for count in [0, 1, 31, 32, 33, 100_000] {
            let drawn = entropy.bytes(count).count
            #expect(drawn == count)
        }
    }

    @Test func `equality in constant time is equality`() {
        let (a, b, c) = ([1, 2, 3] as [UInt8], [1, 2, 3] as [UInt8], [1, 2, 4] as [UInt8])
        let results = [
            constantTimeEqual(a.span.bytes, b.span.bytes),
            constantTimeEqual(a.span.bytes, c.span.bytes),
            constantTimeEqual(a.span.bytes, a.span.bytes.extracting(first: 2)),
            constantTimeEqual(RawSpan(), RawSpan()),
        ]
        #expect(results == [true, false, false, true])
        var secret = [1, 2, 3] as [UInt8]
        wipe(&secret)
        #expect(secret == [0, 0, 0])
    }
}

extension Entropy {
    fileprivate consuming func bytesOnce(_ count: Int) -> [UInt8] {
        var entropy = self
        return entropy.bytes(count)
    }
}
