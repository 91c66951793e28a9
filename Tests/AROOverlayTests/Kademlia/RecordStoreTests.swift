import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("The record store")
struct RecordStoreTests {
    private static let now = UnixTime(seconds: 1_800_000_000)
    private static let identities = (0..<12).map { SharedIdentity(number: UInt64($0)) }

    /// Identities are expensive to make and are not copied: shared by the tests.
    private final class SharedIdentity: Sendable {
        let identity: Identity

        init(number: UInt64) {
            var entropy = Entropy(seed: Bits256(number, 5, 5, 5))
            identity = Identity(from: &entropy)
        }
    }

    private func record(
        _ key: UInt64, by author: Int, age: Duration = .zero
    ) -> KademliaStore.Record {
        .provider(
            ProviderRecord(
                key: DHTKey(bits: Bits256(key, 0, 0, 0)),
                addresses: [SocketAddress(ipv4: 0x0a00_0001, port: 1)],
                issued: UnixTime(seconds: Self.now.seconds - age.nanoseconds / 1_000_000_000),
                lifetime: .hours(24), signedBy: Self.identities[author].identity))
    }

    private func held(_ store: RecordStore, _ key: UInt64) -> [ProviderRecord] {
        store.providers(
            of: DHTKey(bits: Bits256(key, 0, 0, 0)), at: Self.now, rotation: 0, fitting: .max
        ).records
    }

    private func expect(_ outcome: RecordStore.Outcome, _ got: RecordStore.Outcome) {
        #expect(got == outcome)
    }

    private var small: KademliaConfiguration {
        var configuration = KademliaConfiguration()
        configuration.recordsMax = 20
        configuration.recordsPerKeyMax = 4
        configuration.recordsPerAuthorMax = 6
        return configuration
    }

    @Test("a later record of an author replaces the earlier one, never the other way round")
    func replaces() {
        var store = RecordStore()
        let old = record(1, by: 0, age: .hours(1))
        let new = record(1, by: 0)
        expect(.held, store.store(old, source: 1, small))
        expect(.held, store.store(new, source: 1, small))
        expect(.held, store.store(new, source: 2, small))
        expect(.superseded, store.store(old, source: 1, small))
        #expect(store.count == 1)
        #expect(held(store, 1).map { KademliaStore.Record.provider($0) } == [new])
    }

    @Test("an author has a bounded number of records")
    func perAuthor() {
        var store = RecordStore()
        for key in 0..<6 {
            expect(.held, store.store(record(UInt64(key), by: 0), source: 1, small))
        }
        expect(.full, store.store(record(6, by: 0), source: 2, small))
        expect(.held, store.store(record(5, by: 0), source: 2, small))
        expect(.held, store.store(record(6, by: 1), source: 1, small))
    }

    @Test("a flood of one key from one network pushes out itself, not others")
    func perKey() {
        var store = RecordStore()
        _ = store.store(record(1, by: 0, age: .hours(20)), source: 100, small)
        for author in 1..<12 { _ = store.store(record(1, by: author), source: 7, small) }
        let authors = held(store, 1).map(\.provider)
        #expect(authors.count == 4)
        #expect(authors.contains(Self.identities[0].identity.id))
    }

    @Test("a flood of keys from one network pushes out itself, not others")
    func total() {
        var store = RecordStore()
        for key in 0..<3 {
            _ = store.store(record(UInt64(key), by: 0, age: .hours(20)), source: 100, small)
        }
        for key in 100..<160 {
            _ = store.store(record(UInt64(key), by: 1 + key % 11), source: 7, small)
        }
        #expect(store.count <= 20)
        for key in 0..<3 { #expect(held(store, UInt64(key)).count == 1) }
    }

    @Test("expired records are not handed out, and leave")
    func expires() {
        var store = RecordStore()
        _ = store.store(record(1, by: 0, age: .hours(23)), source: 1, small)
        _ = store.store(record(1, by: 1), source: 1, small)
        let later = Self.now + .hours(2)
        let key = DHTKey(bits: Bits256(1, 0, 0, 0))
        let found = store.providers(of: key, at: later, rotation: 0, fitting: .max)
        #expect(found.records.map(\.provider) == [Self.identities[1].identity.id])
        store.expire(at: later)
        #expect(store.count == 1)
        store.expire(at: Self.now + .hours(25))
        #expect(store.count == 0)
    }

    @Test("more records than fit: different askers see different ones, and are told so")
    func rotates() {
        var store = RecordStore()
        for author in 0..<12 {
            _ = store.store(record(1, by: author), source: UInt64(author), KademliaConfiguration())
        }
        let key = DHTKey(bits: Bits256(1, 0, 0, 0))
        var seen: Set<PeerID> = []
        for rotation in 0..<12 {
            let found = store.providers(of: key, at: Self.now, rotation: rotation, fitting: 400)
            #expect(found.records.count == 3)
            #expect(found.leftOut)
            seen.formUnion(found.records.map(\.provider))
        }
        #expect(seen.count == 12)
    }

    @Test(
        "counts stay right under random stores, removals and expiry",
        arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        var store = RecordStore()
        for step in 0..<800 {
            switch generator.below(10) {
            case 0:
                store.remove(
                    DHTKey(bits: Bits256(UInt64(generator.below(8)), 0, 0, 0)), .provider,
                    Self.identities[generator.below(12)].identity.id)
            case 1: store.expire(at: Self.now + .hours(Int64(generator.below(20))))
            default:
                let new = record(
                    UInt64(generator.below(8)), by: generator.below(12),
                    age: .hours(Int64(generator.below(20))))
                _ = store.store(new, source: UInt64(generator.below(4)), small)
            }
            var total = 0
            for key in 0..<8 {
                let here = held(store, UInt64(key)).count
                #expect(here <= small.recordsPerKeyMax)
                total += here
            }
            #expect(total == store.count, "seed \(seed), step \(step)")
            #expect(store.count <= small.recordsMax)
        }
    }

    @Test("a peer's rate is bounded, refills, and does not depend on other peers")
    func rates() {
        var rates = AskingRates()
        var configuration = KademliaConfiguration()
        configuration.ratesMax = 8
        let peer = PeerHandle(index: 3)
        var now = Instant.origin
        var allowed = 0
        for _ in 0..<1_000 where rates.allowsAsk(by: peer, at: now, configuration) { allowed += 1 }
        #expect(allowed == configuration.asksBurst)
        let mayStore = rates.allowsStore(by: peer, at: now, configuration)
        #expect(mayStore)
        now += .seconds(1)
        allowed = 0
        for _ in 0..<1_000 where rates.allowsAsk(by: peer, at: now, configuration) { allowed += 1 }
        #expect(allowed == configuration.asksPerSecond)
        for other in 10..<500 {
            let mayAsk = rates.allowsAsk(
                by: PeerHandle(index: UInt32(other)), at: now, configuration)
            #expect(mayAsk)
        }
        var remembered = 0
        rates.forEachHandle { _ in remembered += 1 }
        #expect(remembered <= 8)
    }

    @Test("what expires is forgotten at once, and leaves the caps as if it had never been there")
    func expiresInOnePass() {
        var store = RecordStore()
        for author in 0..<3 {
            for key in 0..<6 where key != author {
                let age: Duration = key < 3 ? .hours(23) : .hours(1)
                expect(
                    .held, store.store(record(UInt64(key), by: author, age: age), source: 7, small))
            }
        }
        store.expire(at: UnixTime(seconds: Self.now.seconds + 2 * 3_600))
        #expect(store.count == 9)
        for key in 3..<6 { #expect(held(store, UInt64(key)).count == 3) }
        for key in 0..<3 { #expect(held(store, UInt64(key)).isEmpty) }
        // Each author may have three more.
        for key in 10..<13 {
            expect(.held, store.store(record(UInt64(key), by: 0), source: 1, small))
        }
        expect(.full, store.store(record(13, by: 0), source: 1, small))
        store.expire(at: UnixTime(seconds: Self.now.seconds + 48 * 3_600))
        #expect(store.count == 0)
        expect(.held, store.store(record(1, by: 0), source: 1, small))
    }
}
