import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("The directory")
struct DirectoryTests {
    private func configuration(_ capacity: Int) -> AnnouncementConfiguration {
        var configuration = AnnouncementConfiguration()
        configuration.directoryMax = capacity
        return configuration
    }

    /// A directory that takes rows as announcements do, without their signatures.
    private struct Filled {
        var directory: Directory
        let configuration: AnnouncementConfiguration
        var neighbours: NeighbourTable
        var refusedUnread = 0

        init(_ configuration: AnnouncementConfiguration, seed: UInt64) {
            var generator = Generator(seed: seed)
            self.configuration = configuration
            directory = Directory(
                capacity: configuration.directoryMax, hash: KeyedHash(from: &generator))
            neighbours = NeighbourTable(configuration, at: .origin)
        }

        mutating func add(_ number: Int, at address: SocketAddress) {
            var generator = Generator(seed: UInt64(number) &* 77 &+ 5)
            let place = generator.next()
            let source = directory.source(of: [address], exemptsPrivate: true)
            let refuses = directory.refuses(place, protecting: neighbours, configuration)
            if refuses { refusedUnread += 1 }
            let room = directory.room(for: place, source, protecting: neighbours, configuration)
            #expect(!refuses || room == .none, "refused unread who would have got a place")
            switch room {
            case .free: break
            case .none: return
            case .instead(let victim): directory.remove(at: victim)
            }
            _ = directory.put(
                Directory.Row(
                    statement: Statement(Self.announcement, bytes: [], place: place),
                    peer: PeerHandle(index: UInt32(number)), rank: directory.rank(of: place),
                    source: source, since: .origin, expires: .distantFuture))
        }

        private static let announcement: Announcement = {
            var entropy = Entropy(seed: .zero)
            let identity = Identity(from: &entropy)
            return Announcement(
                offer: Offer(), sequence: 1, issued: UnixTime(seconds: 1), lifetime: .hours(1),
                signedBy: identity)
        }()

        var members: [Int] { directory.alive.map { Int($0.index) } }
    }

    private static func host(_ number: Int) -> SocketAddress {
        SocketAddress(ipv4: 0x0a00_0000 + UInt32(number), port: 4001)
    }

    @Test("what is kept of more peers than fit does not depend on the order they come in")
    func order() {
        var numbers = Array(0..<600)
        var generator = Generator(seed: 3)
        var kept: [[Int]] = []
        for _ in 0..<3 {
            generator.shuffle(&numbers)
            var filled = Filled(configuration(100), seed: 9)
            // Twice: who was refused or pushed out once is again.
            for number in numbers + numbers where !filled.members.contains(number) {
                filled.add(number, at: Self.host(number))
            }
            kept.append(filled.members.sorted())
        }
        #expect(kept[0].count == 100)
        #expect(kept[0] == kept[1] && kept[1] == kept[2])
    }

    @Test("a stranger whose place ranks behind everybody is refused before his statement is read")
    func refusing() {
        var filled = Filled(configuration(100), seed: 9)
        for number in 0..<600 { filled.add(number, at: Self.host(number)) }
        // Of 500 who came to a full directory 100 * ln(6) = 179 are expected to rank before somebody.
        #expect((250...400).contains(filled.refusedUnread))
        for number in 600..<700 { filled.add(number, at: Self.host(1)) }
        let unread = filled.refusedUnread
        // The host is above its cap now: whom it has room for shows in the statement alone.
        for number in 700..<800 { filled.add(number, at: Self.host(1)) }
        #expect(filled.refusedUnread == unread)
    }

    @Test("each of 3,000 peers is as likely to be among the 256 of a directory")
    func fairness() {
        let directories = 16
        var held = Array(repeating: 0, count: 3_000)
        for seed in 0..<directories {
            var filled = Filled(configuration(256), seed: UInt64(seed))
            for number in 0..<3_000 { filled.add(number, at: Self.host(number)) }
            for member in filled.members { held[member] += 1 }
        }
        #expect(held.reduce(0, +) == 256 * directories)
        let p = 256.0 / 3_000
        let expected = Double(directories) * p
        let chi =
            held.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) }
            / (expected * (1 - p))
        // About 3,000, with a standard deviation of sqrt(2 * 3,000) = 77 and some: four of them.
        #expect(abs(chi - 3_000) < 400, "\(chi)")
        // The first and the last to come have the same share, within four standard deviations.
        let first = held.prefix(1_500).reduce(0, +)
        #expect(abs(first - 128 * directories) < 180, "\(first)")
    }

    @Test("a thousand identities of one endpoint push out nobody else, on loopback too")
    func endpointFlood() {
        for flooded in [SocketAddress(ipv4: 0x7f00_0001, port: 9_999), Self.host(7_000)] {
            var filled = Filled(configuration(64), seed: 4)
            for number in 0..<60 {
                filled.add(
                    number, at: SocketAddress(ipv4: 0x7f00_0001, port: UInt16(4_000 + number)))
            }
            for number in 1_000..<2_000 { filled.add(number, at: flooded) }
            #expect(filled.members.count <= 64)
            #expect(filled.members.filter { $0 < 60 }.count == 60)
        }
    }

    @Test("identities of one host, of one network, or without an address push out themselves")
    func floods() {
        let addresses: [(Int) -> SocketAddress?] = [
            { SocketAddress(ipv4: 0x0808_0808, port: UInt16($0)) },
            { SocketAddress(ipv4: 0x0808_0800 + UInt32($0 % 256), port: UInt16($0)) },
            { SocketAddress(high: 0x2001_0db8_0000_0000, low: UInt64($0), port: 1) },
        ]
        for address in addresses {
            var filled = Filled(configuration(100), seed: 5)
            for number in 0..<80 { filled.add(number, at: Self.host(number)) }
            for number in 1_000..<2_000 { filled.add(number, at: address(number)!) }
            #expect(filled.members.count == 100)
            #expect(filled.members.filter { $0 < 80 }.count == 80)
        }
    }

    @Test("who ended makes room before anybody living")
    func ended() {
        var filled = Filled(configuration(10), seed: 6)
        for number in 0..<10 { filled.add(number, at: Self.host(number)) }
        let i = filled.directory.rows.firstIndex { $0.peer.index == 3 }!
        filled.directory.end(i, as: .failed, at: .origin, until: .distantFuture)
        #expect(filled.directory.counts == (9, 1, 0))
        filled.add(50, at: Self.host(50))
        #expect(filled.members.sorted() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 50])
        #expect(filled.directory.counts == (10, 0, 0))
    }

    @Test("counts and tallies stay right under random changes", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        var filled = Filled(configuration(20), seed: seed)
        for step in 0..<2_000 {
            let rows = filled.directory.rows
            switch generator.below(6) {
            case 0 where !rows.isEmpty: filled.directory.remove(at: generator.below(rows.count))
            case 1 where !rows.isEmpty:
                filled.directory.end(
                    generator.below(rows.count), as: generator.chance(1, in: 2) ? .failed : .left,
                    at: .origin, until: .distantFuture)
            default:
                let number = generator.below(60)
                let isHeld = rows.contains { Int($0.peer.index) == number }
                if !isHeld { filled.add(number, at: Self.host(number % 13)) }
            }
            let directory = filled.directory
            #expect(directory.count <= 20)
            #expect(directory.rows.map(\.place) == directory.rows.map(\.place).sorted())
            let alive = directory.rows.count { $0.state == .alive }
            #expect(directory.counts.alive == alive, "seed \(seed), step \(step)")
            // Until it is full for the first time, a directory counts nobody.
            for row in directory.rows where directory.isTallied {
                let same = directory.rows.count { $0.source.host == row.source.host }
                #expect(directory.perHost[row.source.host] == same)
            }
        }
        #expect(filled.directory.isTallied)
    }

    @Test("the keyed hash is SipHash-2-4")
    func sipHash() {
        // Of 16 bytes 00 ... 0f with the key 00 ... 0f: the vector of the authors' C code.
        let hash = KeyedHash(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)
        #expect(hash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908) == 0x3f2a_cc7f_57c2_9bdb)
    }

    @Test("tombstones are bounded in number and time")
    func tombstones() {
        var stones = Tombstones()
        for place in 0..<50 as Range<UInt64> {
            stones.set(
                place, sequence: 5, until: .origin + .seconds(Int64(10 + place)), at: .origin,
                bound: 20)
        }
        #expect(stones.count == 20)
        #expect(stones.sequence(at: 49, at: .origin) == 5)
        #expect(stones.sequence(at: 0, at: .origin) == nil)
        #expect(stones.sequence(at: 49, at: .origin + .seconds(59)) == nil)
        stones.set(49, sequence: 3, until: .origin + .seconds(90), at: .origin, bound: 20)
        #expect(stones.sequence(at: 49, at: .origin) == 5)
    }

    @Test("a token bucket gives its burst, then its rate")
    func bucket() {
        var bucket = TokenBucket(full: 5, at: .origin)
        var now = Instant.origin
        func taken(_ tries: Int) -> Int {
            (0..<tries).count { _ in bucket.take(perSecond: 10, burst: 5, at: now) }
        }
        #expect(taken(20) == 5)
        now += .milliseconds(250)
        #expect(taken(20) == 2)
        now += .milliseconds(50)
        #expect(taken(20) == 1)
        now += .hours(1)
        #expect(taken(20) == 5)
    }
}
