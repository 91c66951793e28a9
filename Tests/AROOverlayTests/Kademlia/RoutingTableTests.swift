import AROCrypto
import AROPrimitives
import Testing

@testable import AROOverlay

@Suite("The routing table")
struct RoutingTableTests {
    /// A table, a book, and peers with any key and address.
    private struct Bench: ~Copyable {
        var book = PeerBook()
        var table: RoutingTable
        var configuration = KademliaConfiguration()
        var generator: Generator
        var now = Instant.origin
        private var peers: UInt64 = 0

        init(seed: UInt64) {
            generator = Generator(seed: seed)
            table = RoutingTable(local: DHTKey(bits: generator.bits256()), at: .origin)
        }

        /// A new peer that shares `shared` bits with us, or any number of them.
        mutating func peer(
            sharing shared: Int? = nil, at address: SocketAddress? = nil
        ) -> PeerHandle {
            peers += 1
            var bits = generator.bits256()
            if let shared {
                let near = table.target(inBucketOfDepth: shared, &generator)
                bits = near.bits
            }
            let handle = book.intern(PeerID(key: Bits256(peers, 9, 9, 9)), key: DHTKey(bits: bits))
            book.heard(handle, at: address ?? SocketAddress(ipv4: 0x0a00_0001, port: 1))
            return handle
        }

        @discardableResult
        mutating func hear(
            _ handle: PeerHandle, _ roundTrip: Duration = .milliseconds(50)
        ) -> RoutingTable.Admission {
            table.heard(
                handle, roundTrip: RoundTripClass(roundTrip), at: now, configuration, book)
        }

        mutating func fail(_ handle: PeerHandle, _ count: Int = 1) {
            table.failed(handle, count: count, configuration, book)
        }

        func contains(_ handle: PeerHandle) -> Bool {
            table.position(of: handle, key: book.key(handle)) != nil
        }

        /// What must hold after any sequence of operations; the first breach, for the report.
        func breach() -> String? {
            var seen: [PeerHandle] = []
            var perNetwork: [UInt64: Int] = [:]
            for i in 0..<table.bucketCount {
                let range = table.bucket(i)
                if range.count > 2 * configuration.k { return "bucket \(i) has \(range.count)" }
                var inBucket: [UInt64: Int] = [:]
                for position in range {
                    let handle = table.entries[position].handle
                    if table.bucketIndex(of: book.key(handle)) != i { return "misplaced" }
                    seen.append(handle)
                    guard let network = cappedNetwork(of: handle, configuration, book) else {
                        continue
                    }
                    inBucket[network, default: 0] += 1
                    perNetwork[network, default: 0] += 1
                }
                if inBucket.values.contains(where: { $0 > configuration.bucketPerNetworkMax }) {
                    return "a network in bucket \(i)"
                }
            }
            if seen.count != table.count { return "ends do not cover the entries" }
            if Set(seen).count != seen.count { return "twice" }
            if perNetwork.values.contains(where: { $0 > configuration.tablePerNetworkMax }) {
                return "a network in the table"
            }
            if table.spares.count > table.bucketCount * configuration.sparesPerBucket {
                return "\(table.spares.count) spares"
            }
            if table.spares.contains(where: { seen.contains($0.handle) }) { return "spare" }
            return nil
        }
    }

    @Test("an entry takes 12 bytes")
    func entrySize() {
        #expect(MemoryLayout<RoutingTable.Entry>.stride == 12)
    }

    @Test("only the last bucket splits: far peers take k places, near ones as many as there are")
    func splits() {
        var bench = Bench(seed: 41)
        for _ in 0..<200 { bench.hear(bench.peer(sharing: 0)) }
        let far = bench.table.count
        #expect(far <= 2 * bench.configuration.k)
        for depth in 1..<12 {
            for _ in 0..<20 { bench.hear(bench.peer(sharing: depth)) }
        }
        #expect(bench.table.count >= far + 10 * 20)
        let breach = bench.breach()
        #expect(breach == nil)
    }

    @Test("a full bucket keeps its living contacts; a newcomer waits, and replaces one that died")
    func leastRecentlySeen() {
        var bench = Bench(seed: 42)
        for depth in 1..<5 { for _ in 0..<20 { bench.hear(bench.peer(sharing: depth)) } }
        let old = (0..<20).map { _ in bench.peer(sharing: 0) }
        for handle in old { bench.hear(handle) }
        let slow = bench.peer(sharing: 0)
        let fast = bench.peer(sharing: 0)
        let admission = bench.hear(slow, .milliseconds(200))
        #expect(admission == .spared(probe: nil), "the old ones were heard just now")
        bench.now += .hours(1)
        for handle in old.dropFirst() { bench.hear(handle) }
        let probing = bench.hear(fast, .milliseconds(20))
        #expect(probing == .spared(probe: old[0]))
        bench.fail(old[0])
        var contained = bench.contains(old[0])
        #expect(contained, "one lost request is no death")
        bench.fail(old[0])
        contained = bench.contains(old[0])
        #expect(!contained)
        contained = bench.contains(fast)
        #expect(contained, "the faster spare takes the place")
        contained = bench.contains(slow)
        #expect(!contained)
    }

    @Test("stale contacts are not told to others, unless there are no others")
    func stale() {
        var bench = Bench(seed: 43)
        let peers = (0..<5).map { _ in bench.peer() }
        for peer in peers { bench.hear(peer) }
        bench.fail(peers[0], 2)
        let key = bench.book.key(peers[0])
        var found = bench.table.closest(to: key, count: 20, bench.configuration, bench.book)
        #expect(found.count == 4 && !found.contains(peers[0]))
        for peer in peers { bench.fail(peer, 2) }
        found = bench.table.closest(to: key, count: 20, bench.configuration, bench.book)
        #expect(found.count == 5 && found.first == peers[0])
        bench.hear(peers[3])
        found = bench.table.closest(to: key, count: 20, bench.configuration, bench.book)
        #expect(found == [peers[3]])
    }

    @Test("one network takes two places of a bucket and three of the table, of IPv4 and of IPv6")
    func networkCaps() {
        for base in ["198.51.100.7:1", "[2001:db8:1:200::1]:1"] {
            var bench = Bench(seed: 44)
            for depth in 0..<6 { for _ in 0..<15 { bench.hear(bench.peer(sharing: depth)) } }
            let before = bench.table.count
            var address = SocketAddress(base)!
            var admitted = 0
            for i in 0..<30 {
                address.port = UInt16(i + 1)
                address.low += address.isIPv4 ? 1 : 1 << 40
                let admission = bench.hear(bench.peer(sharing: i % 3, at: address))
                if admission == .inserted { admitted += 1 }
                #expect(admission == .inserted || admission == .network)
            }
            #expect(admitted == 3)
            #expect(bench.table.count == before + 3)
            let breach = bench.breach()
            #expect(breach == nil)
        }
        var bench = Bench(seed: 45)
        bench.configuration.privateNetworksAreExempt = false
        for _ in 0..<10 { bench.hear(bench.peer()) }
        #expect(bench.table.count <= 3)
    }

    @Test("closest gives what sorting the whole table gives")
    func closest() {
        let seed: UInt64 = 46
        var bench = Bench(seed: seed)
        for _ in 0..<600 {
            bench.hear(
                bench.peer(sharing: bench.generator.below(3) == 0 ? bench.generator.below(14) : nil)
            )
        }
        for i in 0..<200 {
            let target =
                i % 2 == 0
                ? DHTKey(bits: bench.generator.bits256())
                : bench.table.target(inBucketOfDepth: i % 20, &bench.generator)
            let count = 1 + bench.generator.below(30)
            let found = bench.table.closest(
                to: target, count: count, bench.configuration, bench.book)
            var all: [(Bits256, PeerHandle)] = []
            for entry in bench.table.entries {
                all.append((target.distance(to: bench.book.key(entry.handle)), entry.handle))
            }
            let expected = all.sorted { $0.0 < $1.0 }.prefix(count).map(\.1)
            #expect(found == expected, "seed \(seed), target \(i)")
        }
    }

    @Test("a refresh target lies in its bucket")
    func refreshTargets() {
        var bench = Bench(seed: 47)
        for depth in 0..<40 { for _ in 0..<20 { bench.hear(bench.peer(sharing: depth)) } }
        #expect(bench.table.bucketCount > 30)
        for i in 0..<bench.table.bucketCount {
            let target = bench.table.target(inBucket: i, &bench.generator)
            #expect(bench.table.bucketIndex(of: target) == i)
        }
    }

    @Test("invariants hold under random operations", arguments: [1, 2, 3, 4] as [UInt64])
    func invariants(seed: UInt64) {
        var bench = Bench(seed: seed)
        var peers: [PeerHandle] = []
        for step in 0..<3_000 {
            bench.now += .seconds(Int64(bench.generator.below(120)))
            switch bench.generator.below(6) {
            case 0, 1:
                let address = SocketAddress(
                    ipv4: 0x0800_0000 + UInt32(bench.generator.below(1 << 14)), port: 1)
                let depth = bench.generator.below(2) == 0 ? bench.generator.below(20) : nil
                peers.append(bench.peer(sharing: depth, at: address))
                bench.hear(peers[peers.count - 1])
            case 2, 3:
                guard !peers.isEmpty else { continue }
                bench.hear(
                    peers[bench.generator.below(peers.count)],
                    .milliseconds(Int64(1 + bench.generator.below(500))))
            default:
                guard !peers.isEmpty else { continue }
                bench.fail(peers[bench.generator.below(peers.count)], 1 + bench.generator.below(2))
            }
            let breach = bench.breach()
            #expect(breach == nil, "seed \(seed), step \(step)")
            if breach != nil { return }
        }
        #expect(bench.table.count > 50)
    }

    @Test("round-trip classes are a quarter wide and follow measurements")
    func roundTripClasses() {
        for ms in [1, 3, 10, 47, 100, 333, 2_000] as [Int64] {
            let time = Duration.milliseconds(ms)
            let ceiling = RoundTripClass(time).ceiling!
            #expect(ceiling > time && ceiling <= time + time / 4 + .microseconds(1))
        }
        var known = RoundTripClass(.milliseconds(20))
        for _ in 0..<60 { known = known.updated(by: RoundTripClass(.milliseconds(300))) }
        #expect(known == RoundTripClass(.milliseconds(300)))
        #expect(RoundTripClass(Duration(nanoseconds: .max)).ceiling! > .hours(1))
        #expect(RoundTripClass(Duration(nanoseconds: .min)) == RoundTripClass(.zero))
    }
}

extension RoutingTable {
    /// A random key that shares exactly `depth` bits with us, whatever the buckets are.
    func target(inBucketOfDepth depth: Int, _ generator: inout Generator) -> DHTKey {
        let random = generator.bits256().bytes
        var bytes = local.bits.bytes
        for bit in depth..<256 {
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            bytes[bit / 8] &= ~mask
            bytes[bit / 8] |=
                bit == depth ? ~local.bits.bytes[bit / 8] & mask : random[bit / 8] & mask
        }
        return DHTKey(bits: Bits256(bytes)!)
    }
}
