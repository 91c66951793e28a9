import AROPrimitives
import Testing

@testable import AROOverlay

@Suite("Peers that were heard of")
struct HeardOfTests {
    @Test("the nearest few are those that a look at all of them finds", arguments: 1...20)
    func nearest(seed: UInt64) {
        var generator = Generator(seed: seed)
        var book = PeerBook()
        var heard = HeardOf()
        var all: [PeerHandle] = []
        // Many share long prefixes, as in a network of some who look for each other's neighbours.
        let crowd = generator.bits256()
        for n in 0..<generator.below(400) {
            var bits = generator.bits256()
            if n % 3 == 0 { bits = Bits256(crowd.w0 ^ bits.w0 >> 40, bits.w1, bits.w2, bits.w3) }
            let peer = book.intern(
                PeerID(key: Bits256(UInt64(n), 7, 7, 7)), key: DHTKey(bits: bits))
            heard.insert(peer, book)
            heard.insert(peer, book)
            all.append(peer)
        }
        while all.count > 100, generator.chance(9, in: 10) {
            heard.remove(all.remove(at: generator.below(all.count)), book)
        }
        let held = heard.peers.count
        #expect(held == all.count, "seed \(seed)")
        for count in [1, 3, 20, 500] {
            let near = Bits256(crowd.w0 ^ generator.next() >> 42, generator.next(), 0, 0)
            for target in [DHTKey(bits: generator.bits256()), DHTKey(bits: near)] {
                let found = heard.closest(to: target, count: count, book)
                let distances = found.map { target.distance(to: book.key($0)) }
                let expected = all.map { target.distance(to: book.key($0)) }.sorted()
                #expect(distances == Array(expected.prefix(count)), "seed \(seed)")
            }
        }
    }
}
