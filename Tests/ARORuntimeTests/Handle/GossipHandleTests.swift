/// Members, announcements and topics as a program sees them through the library.

import AROOverlay
import AROPrimitives
import AROWire
import Testing

@testable import ARONode
@testable import ARORuntime

@Suite("Gossip in this process", .serialized) struct GossipHandleTests {
    @Test("who comes, what it announces, and its goodbye are told as events and shown as members")
    func members() async throws {
        let home = try NodeHome()
        let a = try await home.node("a")
        #expect(try await a.members().isEmpty)
        var changes = a.memberEvents().makeAsyncIterator()
        let b = try await home.node("b", bootstrap: a)
        let model = ModelOffer(
            name: "tiny", contextTokens: 4_096, inputPrice: 7, slotsFree: 1, slots: 2)
        b.announce(models: [model])

        var seen: [MemberChange] = []
        while case .changed(let event)? = try await changes.next() {
            #expect(event.peer == b.id)
            seen.append(event.change)
            if event.member?.announcement.offer.models == [model] { break }
        }
        #expect(seen.contains(.joined))
        let known = try #require(try await a.members().first)
        #expect(known.id == b.id && known.state == .alive && known.isNeighbour)
        #expect(known.announcement.offer.models == [model])
        #expect(known.announcement.offer.storage.offeredBytes > 0)
        #expect(try await b.members().map(\.id) == [a.id])

        await b.shutdown()
        while case .changed(let event)? = try await changes.next() {
            seen.append(event.change)
            if event.change == .left { break }
        }
        #expect(seen.contains(.left) && !seen.contains(.failed))
        #expect(try await a.members().map(\.state) == [.left])
        await a.shutdown()
    }

    @Test("posts reach the subscribers of another node, each publisher's in order")
    func topics() async throws {
        let home = try NodeHome()
        let a = try await home.node("a")
        let b = try await home.node("b", bootstrap: a)
        let c = try await home.node("c", bootstrap: a)
        let feeds = [
            try b.subscribe(to: "news", ordered: true), try b.subscribe(to: "news", ordered: true),
            try c.subscribe(to: "news", ordered: true),
        ]
        // What nobody hears yet is repeated; then everybody gets the same, in the same order.
        let publishing = Task {
            var number: UInt8 = 0
            while !Task.isCancelled {
                try await a.post([number], to: "news")
                number &+= 1
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
        for feed in feeds {
            var last: UInt64?
            var count = 0
            for try await news in feed {
                guard case .post(let publisher, let sequence, let payload) = news else { continue }
                #expect(publisher == a.id && payload.count == 1)
                #expect(last.map { $0 < sequence } ?? true)
                last = sequence
                count += 1
                if count == 20 { break }
            }
            #expect(count == 20)
        }
        publishing.cancel()
        _ = await publishing.result
        for node in [a, b, c] { await node.shutdown() }
    }

    @Test("a node's own posts reach its own subscribers, each in the order that it asked for")
    func ownPosts() async throws {
        let home = try NodeHome()
        let a = try await home.node("a")
        let feeds = [try a.subscribe(to: "news"), try a.subscribe(to: "news", ordered: true)]
        let receipt = try await a.post([7], to: "news")
        let post = TopicNews.post(publisher: a.id, sequence: receipt.sequence, payload: [7])
        for feed in feeds {
            var news = feed.makeAsyncIterator()
            #expect(try await news.next() == post)
        }
        await a.shutdown()
    }

    @Test("a reader of members' changes that lags is told how many it missed")
    func slowWatcher() {
        var audience = Audience()
        let slow = RequestID(number: 1)
        let quick = RequestID(number: 2)
        #expect(audience.watches(slow) && audience.watches(quick))
        for _ in 0..<Audience.aheadMax + 10 {
            if audience.changed().contains(quick) { #expect(audience.tookChanges(1, quick) == 0) }
        }
        #expect(audience.changed() == [quick])
        #expect(audience.tookChanges(5, slow) == 11)
        #expect(audience.changed() == [slow, quick])
        #expect(audience.tookChanges(5, slow) == 0)
        for number in 3..<1_000 as Range<UInt64> {
            _ = audience.watches(RequestID(number: number))
        }
        #expect(audience.changed().count == Audience.watchersMax)
    }

    @Test("what cannot be posted is refused, and a node's end ends its feeds with a reason")
    func refusals() async throws {
        let home = try NodeHome()
        let a = try await home.node("a")
        #expect(throws: RequestFailure.invalidTopic) { try a.subscribe(to: "") }
        await #expect(throws: RequestFailure.invalidTopic) {
            try await a.post([1], to: String(repeating: "x", count: TopicLimits.nameMax + 1))
        }
        await #expect(throws: RequestFailure.topic(.payloadTooLarge)) {
            try await a.post([UInt8](repeating: 0, count: TopicLimits.payloadMax + 1), to: "news")
        }
        let largest = [UInt8](repeating: 0, count: TopicLimits.payloadMax)
        let first = try await a.post(largest, to: "news")
        #expect(first.neighbours == 0)
        #expect(try await a.post(largest, to: "news").sequence > first.sequence)
        let feed = try a.subscribe(to: "news")
        await a.shutdown()
        await #expect(throws: RequestFailure.shuttingDown) { for try await _ in feed {} }
    }
}
