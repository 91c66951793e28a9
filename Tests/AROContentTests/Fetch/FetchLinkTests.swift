import AROPrimitives
import AROWire
import Testing

@testable import AROContent

@Suite("A link of a fetch")
struct FetchLinkTests {
    private let config = ExchangeConfiguration()

    /// Asks for a mebibyte and gets it after `time`.
    private func give(_ link: inout FetchLink, _ now: inout Instant, after time: Duration) {
        let leaf = CID(.raw, hashing: [UInt8](repeating: 0, count: 1).span.bytes)
        link.asked(.block(leaf), charge: 1 << 20, weight: 1 << 20, at: now)
        link.arrived(1, at: now + .milliseconds(20), config)
        now += time
        link.arrived(1 << 20, at: now, config)
        let request = link.answered(at: now)
        link.delivered(request, at: now)
    }

    @Test("Rate and round trip are measured, and the window is twice their product")
    func window() {
        var now = Instant.origin
        var link = FetchLink(peer: PeerHandle(index: 1), at: now)
        link.opened(at: now)
        #expect(link.window(config) == config.windowMin && link.expectedTime(1) == nil)
        give(&link, &now, after: .milliseconds(100))
        #expect(link.roundTrip == .milliseconds(20))
        #expect(link.rate.map { abs($0 - 10_485_760) < 1_000 } == true)
        #expect(abs(link.window(config) - 2 * 209_715) < 1_000)
        let expected = link.expectedTime(10_485_760)?.milliseconds ?? 0
        #expect(abs(expected - 1_020) < 5)
    }

    @Test("A slower round lowers the estimate slowly, a faster one raises it at once")
    func smoothing() {
        var now = Instant.origin
        var link = FetchLink(peer: PeerHandle(index: 1), at: now)
        link.opened(at: now)
        give(&link, &now, after: .milliseconds(100))
        let fast = link.rate ?? 0
        give(&link, &now, after: .milliseconds(400))
        let slower = link.rate ?? 0
        #expect(slower < fast && slower > fast * 3 / 4)
        give(&link, &now, after: .milliseconds(50))
        #expect(link.rate ?? 0 > fast)
    }

    @Test(
        "Two requests are always allowed, more only within the window and the bound of the stream")
    func budget() {
        var link = FetchLink(peer: PeerHandle(index: 1), at: .origin)
        link.opened(at: .origin)
        var want = Want(cid: CID(.raw, hashing: RawSpan()), order: 0)
        (want.byteCount, want.weight) = (1 << 20, 1 << 20)
        var budget = link.budget(memory: 64 << 20, nodeWeight: 0, isAlone: true, config)
        #expect(budget.take(want) && budget.take(want) && !budget.take(want))
        (want.byteCount, want.weight) = (100, 100)
        budget = link.budget(memory: 64 << 20, nodeWeight: 0, isAlone: true, config)
        var count = 0
        while budget.take(want) { count += 1 }
        #expect(count == ExchangeLimits.requestsMax)
        budget = link.budget(memory: 250, nodeWeight: 0, isAlone: true, config)
        #expect(budget.take(want) && budget.take(want) && !budget.take(want))
    }

    @Test("Of several, a peer that gave nothing yet or is slow is asked for one block at a time")
    func oneAtATime() {
        var want = Want(cid: CID(.raw, hashing: RawSpan()), order: 0)
        (want.byteCount, want.weight) = (1 << 20, 1 << 20)
        func count(_ link: FetchLink) -> Int {
            var budget = link.budget(memory: 64 << 20, nodeWeight: 0, isAlone: false, config)
            var count = 0
            while budget.take(want) { count += 1 }
            return count
        }
        var now = Instant.origin
        var link = FetchLink(peer: PeerHandle(index: 1), at: now)
        link.opened(at: now)
        #expect(count(link) == 1)
        var slow = link
        give(&slow, &now, after: .seconds(2))
        #expect(count(slow) == 1)
        give(&link, &now, after: .milliseconds(300))
        #expect(count(link) == 2)
    }

    @Test("How long a block will take is judged by how it comes, once that says something")
    func remaining() throws {
        var now = Instant.origin
        var link = FetchLink(peer: PeerHandle(index: 1), at: now)
        link.opened(at: now)
        let leaf = CID(.raw, hashing: [1].span.bytes)
        #expect(link.remainingTime(leaf, at: now) == nil)
        give(&link, &now, after: .milliseconds(100))
        link.asked(.block(leaf), charge: 1 << 20, weight: 1 << 20, at: now)
        // Ten times slower than before, which is seen after half a second.
        link.arrived(1 << 15, at: now + .milliseconds(300), config)
        let early = try #require(link.remainingTime(leaf, at: now + .milliseconds(300)))
        #expect(early < .milliseconds(110))
        link.arrived(1 << 15, at: now + .milliseconds(1_000), config)
        let later = try #require(link.remainingTime(leaf, at: now + .milliseconds(1_000)))
        #expect(abs(later.seconds - 15) < 1)
        #expect(link.remainingTime(CID(.raw, hashing: [2].span.bytes), at: now) == nil)
    }

    @Test("A cancelled request keeps its number and its place")
    func cancelling() {
        var link = FetchLink(peer: PeerHandle(index: 1), at: .origin)
        let cids = (0..<3).map { CID(.raw, hashing: [UInt8($0)].span.bytes) }
        link.asked(.attestations, at: .origin)
        for cid in cids { link.asked(.block(cid), charge: 10, at: .origin) }
        #expect(link.cancelled(cids[1]) == 2 && link.cancelled(cids[1]) == nil)
        _ = link.answered(at: .origin)
        #expect(link.cancelled(cids[2]) == 3)
        #expect(link.blocksOwed == cids && link.charged == 30)
    }

    @Test("A peer is given up when nothing comes, and only while it owes something")
    func stall() {
        var link = FetchLink(peer: PeerHandle(index: 1), at: .origin)
        #expect(link.givenUpAt(config) == .origin + config.connectTimeout)
        link.opened(at: .origin)
        #expect(link.givenUpAt(config) == nil)
        let later = Instant.origin + .seconds(100)
        link.asked(.attestations, at: later)
        #expect(link.givenUpAt(config) == later + config.silenceTimeout)
        #expect(link.lateAt(config) == later + config.silenceTimeout / 2)
        // A trickle is no silence, but a stall.
        for second in 1...Int64(8) { link.arrived(10, at: later + .seconds(second), config) }
        #expect(link.givenUpAt(config) == later + config.stallTimeout)
        link.arrived(config.stallBytesMin, at: later + .seconds(9), config)
        #expect(link.givenUpAt(config) == later + .seconds(9) + config.silenceTimeout)
    }
}

@Suite("The walk of a fetch")
struct FetchWalkTests {
    /// Feeds the walk every node it asks for, at once or late, and notes the leaves.
    private func leaves(
        of blocks: [ImportedBlock], _ options: FetchOptions, limits: WalkLimits = WalkLimits(),
        late: Bool = false
    ) throws -> [CID] {
        let store = Dictionary(blocks.map { ($0.cid, $0.bytes) }) { first, _ in first }
        var walk = Walk(options, limits: limits)
        var found: [(UInt128, CID)] = []
        var pending: [WalkNeed] = []
        for _ in 0..<100_000 {
            switch try walk.next() {
            case .exhausted:
                return found.sorted { $0.0 < $1.0 }.map(\.1)
            case .need(let need):
                if need.place == nil {
                    found.append((need.position.start, need.child.cid))
                } else {
                    pending.append(need)
                }
                if late { continue }
            case .waiting: break
            }
            guard let need = pending.popLast() else { continue }
            let block = store[need.child.cid]!
            _ = try walk.nodeArrived(need.place!, block.span.bytes)
        }
        Issue.record("the walk does not end")
        return []
    }

    @Test(
        "Positions give the order of the file, whatever order the nodes arrive in",
        arguments: [false, true])
    func order(late: Bool) throws {
        let file = makeFile(300_000, leaf: 512, links: 6)
        let wanted = file.blocks.map(\.cid).filter { $0.codec == .raw }
        #expect(try leaves(of: file.blocks, FetchOptions(root: file.root), late: late) == wanted)
    }

    @Test("Forgetting nodes loses and repeats nothing", arguments: [1, 7, 20])
    func forgetting(linksMax: Int) throws {
        let file = makeFile(100_000, leaf: 512, links: 6)
        let wanted = file.blocks.map(\.cid).filter { $0.codec == .raw }
        let limits = WalkLimits(linksMax: linksMax)
        let options = FetchOptions(root: file.root)
        #expect(try leaves(of: file.blocks, options, limits: limits) == wanted)
        #expect(try leaves(of: file.blocks, options, limits: limits, late: true) == wanted)
    }

    @Test("Every range takes exactly the leaves that it touches")
    func ranges() throws {
        let file = makeFile(20_000, leaf: 512, links: 4)
        let all = file.blocks.map(\.cid).filter { $0.codec == .raw }
        var generator = Generator(seed: 3)
        for _ in 0..<200 {
            let low = generator.below(20_000)
            let high = low + 1 + generator.below(5_000)
            let options = FetchOptions(root: file.root, range: UInt64(low)..<UInt64(high))
            let wanted = all[low / 512...min(high - 1, 19_999) / 512]
            #expect(try leaves(of: file.blocks, options) == Array(wanted), "\(low)..<\(high)")
        }
    }
}
