import Testing

@testable import AROPrimitives

@Suite struct ByteTests {
    /// RFC 9000 §A.1.
    @Test(
        arguments: [
            ("c2197c5eff14e88c", 151_288_809_941_952_652), ("9d7f3e7d", 494_878_333),
            ("7bbd", 15_293), ("25", 37),
        ] as [(String, UInt64)])
    func `variable-length integers are those of RFC 9000`(hex: String, value: UInt64) throws {
        let bytes = Hex.decode(hex)!
        var reader = ByteReader(bytes.span.bytes)
        #expect(try reader.varint() == value)
        var out: [UInt8] = []
        out.appendVarint(value)
        #expect(out == bytes)
        #expect(varintByteCount(value) == bytes.count)
    }

    @Test func `longer than needed, cut and excessive integers are refused`() {
        for hex in ["4025", "80000025", "c000000000000025", "80003fff", "c00000003fffffff"] {
            #expect(
                refusal(of: hex) { reader throws(DecodingFailure) in _ = try reader.varint() }
                    == .notCanonical)
        }
        for hex in ["", "40", "800000", "c0000000000000"] {
            #expect(
                refusal(of: hex) { reader throws(DecodingFailure) in _ = try reader.varint() }
                    == .truncated)
        }
        #expect(
            refusal(of: "25") { reader throws(DecodingFailure) in _ = try reader.varint(atMost: 36)
            }
                == .outOfBounds)
        #expect(
            refusal(of: "05aabb") { reader throws(DecodingFailure) in
                _ = try reader.lengthPrefixed(atMost: 9)
            } == .truncated)
        #expect(
            refusal(of: "05aabb") { reader throws(DecodingFailure) in
                _ = try reader.lengthPrefixed(atMost: 4)
            } == .outOfBounds)
        #expect(
            refusal(of: "aabb") { reader throws(DecodingFailure) in
                _ = try reader.u8()
                try reader.finish()
            } == .trailingBytes)
        #expect(
            refusal(of: "aa") { reader throws(DecodingFailure) in try reader.skip(-1) }
                == .truncated)
    }

    private func refusal(
        of hex: String, _ body: (inout ByteReader) throws(DecodingFailure) -> Void
    ) -> DecodingFailure? {
        let bytes = Hex.decode(hex)!
        var reader = ByteReader(bytes.span.bytes)
        do throws(DecodingFailure) {
            try body(&reader)
            return nil
        } catch { return error }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `what is written is read back`(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            let (a, b) = (generator.next(), generator.next() >> UInt64(2 + generator.below(62)))
            let bits = Bits256(generator.next(), a, b, generator.next())
            let text = (0..<generator.below(300)).map { UInt8(truncatingIfNeeded: $0) }
            var bytes: [UInt8] = []
            bytes.appendU16(UInt16(truncatingIfNeeded: a))
            bytes.appendU32(UInt32(truncatingIfNeeded: a))
            bytes.appendU64(a)
            bytes.appendVarint(b)
            bytes.appendBits256(bits)
            bytes.appendLengthPrefixed(text)
            let whole = bytes
            var reader = ByteReader(whole.span.bytes)
            #expect(try reader.u16() == UInt16(truncatingIfNeeded: a))
            #expect(try reader.u32() == UInt32(truncatingIfNeeded: a))
            #expect(try reader.u64() == a)
            #expect(try reader.varint() == b)
            #expect(try reader.bits256() == bits)
            #expect(try reader.lengthPrefixed(atMost: 300) == text)
            try reader.finish()
        }
    }

    /// RFC 4648 §10, in lower case and without padding.
    @Test(arguments: [
        ("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"),
        ("fooba", "mzxw6ytb"), ("foobar", "mzxw6ytboi"),
    ])
    func `base32 is that of RFC 4648`(text: String, encoded: String) {
        #expect(Base32.encode(Array(text.utf8)) == encoded)
        #expect(Base32.decode(encoded) == Array(text.utf8))
        #expect(Base32.decode(encoded.uppercased()) == Array(text.utf8))
    }

    @Test func `a second text of the same bytes is refused`() {
        for text in ["mz", "m", "mzx", "mzxw6=", "mzxw1", "mzx 6", "mzxw6ytbo", "é"] {
            #expect(Base32.decode(text) == nil, "\(text)")
        }
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
        #expect(Hex.decode("aBcD") == [0xab, 0xcd])
    }

    @Test func `256 bits compare, xor and count as one number`() {
        let a = Bits256(0, 0, 0, 1)
        let b = Bits256(0, 0, 1, 0)
        #expect(a < b && !(b < a) && !(a < a))
        #expect((a ^ b) == Bits256(0, 0, 1, 1))
        #expect(a.leadingZeroBitCount == 255 && Bits256.zero.leadingZeroBitCount == 256)
        #expect(b.leadingZeroBitCount == 191)
        #expect(a[bit: 255] && !a[bit: 254] && b[bit: 191])
        #expect(Bits256(0x0102_0304_0506_0708, 0, 0, 0xff)[byte: 2] == 3)
        #expect(Bits256(0, 0, 0, 0xff)[byte: 31] == 0xff)
        #expect(Bits256(Array(repeating: 1, count: 31)) == nil)
        #expect(Bits256(a.bytes) == a)
    }

    @Test func `a peer's name is read as printed, and nothing like it`() {
        let id = PeerID(key: Bits256(1, 2, 3, 4))
        let name = id.description
        #expect(name.hasPrefix("bafzaa"))
        #expect(PeerID(name) == id)
        #expect(PeerID("") == nil)
        #expect(PeerID("b") == nil)
        #expect(PeerID(name.dropLast()) == nil)
        #expect(PeerID(name + "a") == nil)
        #expect(PeerID("z" + name.dropFirst()) == nil)
        for i in 1..<12 {
            var characters = Array(name)
            characters[i] = characters[i] == "a" ? "b" : "a"
            #expect(PeerID(String(characters)) == nil, "character \(i)")
        }
    }
}

@Suite struct AddressTests {
    /// The examples of RFC 5952 §1, §2 and §4, and plain ones.
    @Test(arguments: [
        ("127.0.0.1:4001", "127.0.0.1:4001"), ("255.255.255.255:65535", "255.255.255.255:65535"),
        ("[2001:db8:0:0:1:0:0:1]:80", "[2001:db8::1:0:0:1]:80"),
        ("[2001:0db8::0001]:1", "[2001:db8::1]:1"),
        ("[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"),
        ("[2001:db8::aaaa:0:0:1]:1", "[2001:db8::aaaa:0:0:1]:1"),
        ("[2001:DB8::1]:1", "[2001:db8::1]:1"), ("[::]:1", "[::]:1"), ("[::1]:0", "[::1]:0"),
        ("[1::]:9", "[1::]:9"), ("[1:2:3:4:5:6:7:8]:9", "[1:2:3:4:5:6:7:8]:9"),
        ("[::ffff:1.2.3.4]:5", "1.2.3.4:5"), ("[64:ff9b::1.2.3.4]:5", "[64:ff9b::102:304]:5"),
    ])
    func `addresses are read and printed in one form`(text: String, printed: String) {
        #expect(SocketAddress(text)?.description == printed)
        #expect(SocketAddress(printed)?.description == printed)
    }

    @Test(arguments: [
        "", ":", "1", "1.2.3.4", "1.2.3:4", "1.2.3.4.5:6", "256.1.1.1:1", "01.2.3.4:5", "1.2.3.4:",
        "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1", "+1.2.3.4:5", "localhost:1",
        "[::1]", "::1:80", "[::1:80", "[:::1]:1", "[1::2::3]:1", "[1:2:3:4:5:6:7]:1",
        "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7:8::]:1", "[12345::]:1", "[g::]:1", "[1.2.3.4]:1",
        "[::1.2.3]:1", "[1.2.3.4::]:1", "[fe80::1%eth0]:1", "[-1::]:1",
    ])
    func `what is no address is none`(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test func `kinds of addresses are told apart`() {
        func address(_ host: String) -> SocketAddress {
            SocketAddress(host.contains(":") ? "[\(host)]:1" : "\(host):1")!
        }
        let privates = [
            "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "100.64.0.1",
            "100.127.255.255", "127.0.0.1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "::1",
        ]
        let publics = [
            "9.255.255.255", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.63.0.1", "100.128.0.1",
            "8.8.8.8", "2001:db8::1", "fec0::1", "fbff::1",
        ]
        for host in privates { #expect(address(host).isPrivate, "\(host)") }
        for host in publics { #expect(!address(host).isPrivate, "\(host)") }
        for host in ["0.0.0.0", "::", "224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1"] {
            #expect(address(host).isUnusable, "\(host)")
        }
        #expect(SocketAddress("1.2.3.4:0")!.isUnusable)
        #expect(!address("8.8.8.8").isUnusable && !address("2001:db8::1").isUnusable)
        #expect(address("1.2.3.4").network == address("1.2.3.200").network)
        #expect(address("1.2.3.4").network != address("1.2.4.4").network)
        #expect(address("2001:db8:0:ff::1").network == address("2001:db8::2").network)
        #expect(address("2001:db8:0:100::1").network != address("2001:db8::2").network)
    }
}

@Suite struct ChanceAndTimeTests {
    @Test func `the generator is xoshiro256** seeded by SplitMix64`() {
        // SplitMix64 from 1234567 (the public domain reference's first outputs).
        let seeded = Generator(seed: 1_234_567)
        #expect(seeded.s0 == 6_457_827_717_110_365_317)
        #expect(seeded.s1 == 3_203_168_211_198_807_973)
        #expect(seeded.s2 == 9_817_491_932_198_370_423)
        #expect(seeded.s3 == 4_593_380_528_125_082_431)
        // xoshiro256** from the state 1, 2, 3, 4, as the rand_xoshiro crate tests it.
        var generator = seeded
        (generator.s0, generator.s1, generator.s2, generator.s3) = (1, 2, 3, 4)
        let first = (0..<4).map { _ in generator.next() }
        #expect(first == [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240])
    }

    @Test func `forks differ by label and draws stay in bounds`() {
        var (a, b) = (Generator(seed: 5), Generator(seed: 5))
        var (x, y) = (a.fork("one"), b.fork("two"))
        let (p, q) = (x.next(), y.next())
        #expect(p != q)
        var counts = Array(repeating: 0, count: 7)
        for _ in 0..<7_000 { counts[x.below(7)] += 1 }
        #expect(counts.allSatisfy { (800...1_200).contains($0) })
        var hits = 0
        for _ in 0..<10_000 where x.chance(1, in: 4) { hits += 1 }
        #expect((2_300...2_700).contains(hits))
    }

    @Test func `time adds up`() {
        let start = Instant.origin + .seconds(2)
        #expect(start - .origin == .milliseconds(2_000))
        #expect((start + .microseconds(5)).nanoseconds == 2_000_005_000)
        #expect(earliest(nil, start) == start && earliest(start, nil) == start)
        #expect(earliest(start, .origin) == .origin && earliest(nil, nil) == nil)
        #expect(UnixTime(seconds: 10) + .minutes(2) == UnixTime(seconds: 130))
        #expect(UnixTime(seconds: 10) - UnixTime(seconds: 4) == .seconds(6))
    }
}

@Suite struct PacketBufferTests {
    private let here = SocketAddress(ipv4: 1, port: 1)
    private let there = SocketAddress(ipv4: 2, port: 1)

    private func runs(_ packets: [(Int, SocketAddress)]) -> [PacketBuffer.Run] {
        var buffer = PacketBuffer()
        for (size, address) in packets {
            buffer.append(to: address, capacity: 2_000) {
                $0.initializeMemory(as: UInt8.self, repeating: 1); return size
            }
        }
        return buffer.runs
    }

    @Test func `packets of one size to one address make one run, the last may be shorter`() {
        let joined = runs([(1_200, here), (1_200, here), (700, here)])
        #expect(joined.count == 1)
        #expect(joined.first?.packetCount == 3 && joined.first?.count == 3_100)
        #expect(runs([(700, here), (1_200, here)]).count == 2)
        #expect(runs([(1_200, here), (700, here), (700, here)]).count == 2)
        #expect(runs([(1_200, here), (1_200, there), (1_200, here)]).count == 3)
        #expect(runs([(0, here)]).isEmpty)
    }

    @Test func `runs keep the kernel's bounds`() {
        let many = runs(Array(repeating: (100, here), count: 200))
        #expect(many.map(\.packetCount) == [64, 64, 64, 8])
        let large = runs(Array(repeating: (1_452, here), count: 100))
        #expect(large.allSatisfy { $0.count <= PacketBuffer.runBytesMax })
        #expect(large.reduce(0) { $0 + $1.packetCount } == 100)
    }
}

@Suite struct PeerBookTests {
    private func id(_ n: UInt64) -> PeerID { PeerID(key: Bits256(n, 0, 0, 0)) }
    private func address(_ n: UInt32) -> SocketAddress { SocketAddress(ipv4: n, port: 1) }

    @Test func `addresses are kept best first, few, and each once`() {
        var book = PeerBook()
        let peer = book.intern(id(1), key: DHTKey(bits: .zero))
        let again = book.intern(id(1), key: DHTKey(bits: .zero))
        #expect(peer == again)
        book.suggest((1...9).map(address), for: peer)
        let suggested = book.addresses(peer)
        #expect(Array(suggested) == (1...4).map(address))
        book.heard(peer, at: address(9))
        book.heard(peer, at: address(3))
        let heard = book.addresses(peer)
        #expect(heard == [address(3), address(9), address(1), address(2)])
        book.failed(peer, at: address(3))
        let failed = book.addresses(peer)
        #expect(failed == [address(9), address(1), address(2), address(3)])
        book.suggest([SocketAddress(ipv4: 0, port: 1)], for: peer)
        let count = book.addresses(peer).count
        #expect(count == 4)
    }

    @Test func `swept handles are used again for others`() {
        var book = PeerBook()
        let a = book.intern(id(1), key: DHTKey(bits: .zero))
        let b = book.intern(id(2), key: DHTKey(bits: .zero))
        book.sweep { $0 == b }
        let (known, kept, count) = (book.handle(of: id(1)), book.handle(of: id(2)), book.count)
        #expect(known == nil && kept == b && count == 1)
        let c = book.intern(id(3), key: DHTKey(bits: .zero))
        let addresses = book.addresses(c)
        #expect(c == a && addresses.isEmpty)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `a book knows whom it was told of, whatever came and went`(seed: UInt64) {
        var generator = Generator(seed: seed)
        var book = PeerBook()
        var known: [UInt64: PeerHandle] = [:]
        var wrong = 0
        for _ in 0..<20 {
            for _ in 0..<100 {
                let n = UInt64(generator.below(1_000))
                let handle = book.intern(id(n), key: DHTKey(bits: Bits256(n, 1, 2, 3)))
                if let before = known[n], before != handle { wrong += 1 }
                known[n] = handle
            }
            let kept = known.filter { $0.key % 3 != seed % 3 }
            let handles = Set(kept.values)
            book.sweep { handles.contains($0) }
            for n in 0..<1_000 as Range<UInt64> where book.handle(of: id(n)) != kept[n] {
                wrong += 1
            }
            for (n, handle) in kept where book.key(handle).bits.w0 != n { wrong += 1 }
            if book.count != kept.count { wrong += 1 }
            known = kept
        }
        #expect(wrong == 0, "seed \(seed)")
    }
}
