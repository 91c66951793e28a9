import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("Statements that nodes of one world share")
struct StatementPoolTests {
    private func statements(_ count: Int) -> [Statement] {
        var entropy = Entropy(seed: .zero)
        let identity = Identity(from: &entropy)
        return (1...count).map { n in
            let announcement = Announcement(
                offer: Offer(), sequence: UInt64(n), issued: UnixTime(seconds: 1),
                lifetime: .hours(1), signedBy: identity)
            return Statement(announcement, bytes: announcement.bytes, place: 1)
        }
    }

    @Test("the newest few of a peer are kept, older ones known for verified, damaged ones not")
    func verdicts() {
        let pool = StatementPool()
        let all = statements(20)
        #expect(!pool.hasVerified(all[0].bytes))
        for statement in all { pool.keep(statement) }
        let peer = all[0].announcement.peer
        #expect(pool.statement(all[19].bytes, of: peer) === all[19])
        #expect(pool.statement(all[0].bytes, of: peer) == nil)
        for statement in all { #expect(pool.hasVerified(statement.bytes)) }
        for bit in stride(from: 0, to: all[0].bytes.count * 8, by: 7) {
            var damaged = all[0].bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!pool.hasVerified(damaged))
        }
        #expect(!pool.hasVerified(Array(all[0].bytes.dropLast())))
        #expect(!pool.hasVerified(all[0].bytes + [0]))
    }

    @Test("a row's times are those that it was given, to a second on the side of caution")
    func times() {
        let statement = statements(1)[0]
        for nanoseconds in [0, 1, 1_999_999_999, 86_400_000_000_007, .max] as [Int64] {
            let moment = Instant(nanoseconds: nanoseconds)
            let row = Directory.Row(
                statement: statement, peer: PeerHandle(index: 1), rank: 5,
                source: Directory.Source(endpoint: 0, host: 1, network: 1), since: moment,
                expires: moment)
            guard nanoseconds < .max else {
                #expect(row.expires.nanoseconds > Duration.hours(24 * 365 * 100).nanoseconds)
                continue
            }
            #expect(row.expires >= moment && row.expires - moment < .seconds(2))
            #expect(row.since <= moment && moment - row.since < .seconds(2))
        }
    }
}
