import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("Signed records")
struct RecordTests {
    static let now = UnixTime(seconds: 1_800_000_000)

    static func identity(_ number: UInt64) -> Identity {
        var entropy = Entropy(seed: Bits256(number, 0, 0, 0))
        return Identity(from: &entropy)
    }

    static func provider(
        lifetime: Duration = .hours(24), issued: UnixTime = now, by number: UInt64 = 1
    ) -> ProviderRecord {
        let addresses = [
            SocketAddress("198.51.100.7:4001")!, SocketAddress("[2001:db8::7]:4001")!,
        ]
        let identity = identity(number)
        return ProviderRecord(
            key: DHTKey(hashing: [1, 2, 3]), addresses: addresses, issued: issued,
            lifetime: lifetime, signedBy: identity)
    }

    static func name(
        _ value: [UInt8] = [7], sequence: UInt64 = 1, expires: UnixTime = now + .hours(48)
    ) -> NameRecord {
        let identity = identity(2)
        return NameRecord(
            label: Array("site".utf8), value: value, sequence: sequence, expires: expires,
            signedBy: identity)
    }

    private func failure(_ record: ProviderRecord) -> RecordFailure? {
        do throws(RecordFailure) {
            try record.verify(at: Self.now)
            return nil
        } catch { return error }
    }

    private func failure(_ record: NameRecord) -> RecordFailure? {
        do throws(RecordFailure) {
            try record.verify(at: Self.now)
            return nil
        } catch { return error }
    }

    @Test("what an author signed verifies; any change of it does not")
    func signatures() {
        let record = Self.provider()
        #expect(failure(record) == nil)
        var forged = record
        forged.key = DHTKey(hashing: [9])
        #expect(failure(forged) == .signature)
        forged = record
        forged.addresses.removeLast()
        #expect(failure(forged) == .signature)
        forged = record
        forged.lifetimeSeconds -= 1
        #expect(failure(forged) == .signature)
        forged = record
        forged.provider = Self.identity(3).id
        #expect(failure(forged) == .signature)

        let name = Self.name()
        #expect(failure(name) == nil)
        var other = name
        other.value = [8]
        #expect(failure(other) == .signature)
        other = name
        other.sequence += 1
        #expect(failure(other) == .signature)
        // A byte that moves from the label to the value signs other bytes.
        other = name
        other.label = Array("sit".utf8)
        other.value = Array("e".utf8) + name.value
        #expect(failure(other) == .signature)
    }

    @Test("past, absurdly long and far-future dates are refused; a little skew is not")
    func dates() {
        let now = Self.now
        #expect(failure(Self.provider(issued: now + .seconds(-86_400))) == .expired)
        #expect(failure(Self.provider(issued: now + .seconds(-86_399))) == nil)
        #expect(failure(Self.provider(lifetime: .seconds(86_401))) == .lifetime)
        #expect(failure(Self.provider(lifetime: .zero)) == .lifetime)
        #expect(failure(Self.provider(issued: now + .minutes(10))) == nil)
        #expect(failure(Self.provider(issued: now + .seconds(601))) == .fromFuture)

        #expect(failure(Self.name(expires: now)) == .expired)
        #expect(failure(Self.name(expires: now + .seconds(1))) == nil)
        #expect(failure(Self.name(expires: now + .hours(7 * 24))) == nil)
        #expect(failure(Self.name(expires: now + .hours(7 * 24 + 1))) == .lifetime)
        var absurd = Self.name()
        absurd.expires = UnixTime(seconds: Int64(RecordLimits.secondsBound) - 1)
        #expect(failure(absurd) == .lifetime)
    }

    @Test("of two records of a name one supersedes the other, and never both")
    func order() {
        let records = [
            Self.name([1], sequence: 1), Self.name([2], sequence: 1),
            Self.name([1], sequence: 1, expires: Self.now + .hours(49)),
            Self.name([0], sequence: 2), Self.name([0], sequence: .max),
        ]
        for (i, a) in records.enumerated() {
            #expect(!a.supersedes(a))
            for (j, b) in records.enumerated() where i != j {
                #expect(a.supersedes(b) == (i > j))
            }
        }
    }

    @Test("the key of a name is the hash of its publisher and label")
    func nameKey() {
        let name = Self.name()
        let expected = SHA256Digest.of(
            Array("name:".utf8) + name.publisher.key.bytes + Array("site".utf8))
        #expect(name.key == DHTKey(bits: expected))
    }
}
