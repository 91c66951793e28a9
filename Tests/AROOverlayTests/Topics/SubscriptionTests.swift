import AROPrimitives
import AROWire
import Testing

@testable import AROOverlay

@Suite("What a subscriber is yet to see")
struct SubscriptionTests {
    private static let topic = TopicsWorld.topic
    private static let publisher = PeerID(key: Bits256(1, 2, 3, 4))
    private static let start = TopicPost.firstSequence(at: TopicsWorld.epoch)

    private func item(_ number: UInt64, by publisher: PeerID = publisher) -> Subscription.Item {
        Subscription.Item(
            name: TopicPostName(publisher: publisher, sequence: Self.start + number),
            bytes: Array(repeating: 0, count: TopicPostHead.byteCount) + [UInt8(number & 0xff)])
    }

    private func at(_ milliseconds: Int64) -> Instant { .origin + .milliseconds(milliseconds) }

    /// What the subscriber may see now: numbers of messages, and counts of missed ones below zero.
    private func pump(_ subscription: inout Subscription, ahead: Int = 1_000) -> [Int] {
        var out = TopicsOutbox()
        subscription.pump(Self.topic, aheadMax: ahead, into: &out)
        return out.events.map { event in
            switch event {
            case .message(_, _, _, let sequence, _): Int(sequence - Self.start)
            case .lagged(_, _, let missed): -missed
            default: .max
            }
        }
    }

    private func ordered(_ change: (inout SubscriptionOptions) -> Void = { _ in }) -> Subscription {
        var options = SubscriptionOptions()
        options.ordered = true
        change(&options)
        return Subscription(options)
    }

    @Test("posts come in order of arrival, or on demand of their publisher")
    func order() {
        var plain = Subscription(SubscriptionOptions())
        var sorted = ordered()
        for number: UInt64 in [100, 103, 101, 102, 104] {
            plain.arrived(item(number), at: at(0), publishersMax: 10)
            sorted.arrived(item(number), at: at(0), publishersMax: 10)
        }
        #expect(pump(&plain) == [100, 103, 101, 102, 104])
        #expect(pump(&sorted) == [100, 101, 102, 103, 104])
        #expect(sorted.nextDeadline == nil)
    }

    @Test("a gap is waited for, then told; what comes too late is left out")
    func gap() {
        var subscription = ordered { $0.gapWait = .seconds(2) }
        for number: UInt64 in [100, 103, 104] {
            subscription.arrived(item(number), at: at(0), publishersMax: 10)
        }
        #expect(pump(&subscription) == [100])
        #expect(subscription.nextDeadline == at(2_000))
        subscription.deadlinePassed(at: at(2_000))
        #expect(pump(&subscription) == [-2, 103, 104])
        subscription.arrived(item(101), at: at(2_100), publishersMax: 10)
        subscription.arrived(item(105), at: at(2_200), publishersMax: 10)
        #expect(pump(&subscription) == [105])
        #expect(subscription.drops[.lateForOrder] == 1)
    }

    @Test("the first post of a run is waited for shortly; posts from before our time are not told")
    func youngRun() {
        var subscription = ordered()
        subscription.arrived(item(1), at: at(0), publishersMax: 10)
        #expect(pump(&subscription) == [])
        subscription.arrived(item(0), at: at(50), publishersMax: 10)
        #expect(pump(&subscription) == [0, 1])
        var late = ordered()
        late.arrived(item(5), at: at(0), publishersMax: 10)
        late.deadlinePassed(at: at(500))
        #expect(pump(&late) == [5])
    }

    @Test("a publisher's new run is no gap")
    func newRun() {
        var subscription = ordered()
        let later: UInt64 = 60 << TopicPost.runBits
        subscription.arrived(item(100), at: at(0), publishersMax: 10)
        subscription.arrived(item(102), at: at(0), publishersMax: 10)
        subscription.arrived(item(later), at: at(10), publishersMax: 10)
        #expect(pump(&subscription) == [100, -1, 102, Int(later)])
    }

    @Test("a slow subscriber loses the oldest, and is told how many")
    func slow() {
        var options = SubscriptionOptions()
        options.backlogMax = 10
        var subscription = Subscription(options)
        for number: UInt64 in 0..<4 {
            subscription.arrived(item(number), at: at(0), publishersMax: 10)
        }
        #expect(pump(&subscription, ahead: 4) == [0, 1, 2, 3])
        for number: UInt64 in 4..<30 {
            subscription.arrived(item(number), at: at(0), publishersMax: 10)
            #expect(pump(&subscription, ahead: 4) == [])
            #expect(subscription.backlogCount <= 10)
        }
        subscription.consumed(2)
        #expect(pump(&subscription, ahead: 4) == [-16, 20, 21])
        subscription.consumed(100)
        #expect(pump(&subscription, ahead: 4) == [22, 23, 24, 25])
        #expect(subscription.drops[.backlogFull] == 16)
    }

    @Test("a backlog is bounded by bytes too, and what an order holds back by count")
    func bounds() {
        var options = SubscriptionOptions()
        options.backlogBytesMax = 1_000
        var subscription = Subscription(options)
        for number: UInt64 in 0..<100 {
            subscription.arrived(item(number), at: at(0), publishersMax: 10)
        }
        #expect(subscription.backlogCount == 1_000 / (TopicPostHead.byteCount + 1))
        var held = ordered { $0.backlogMax = 10 }
        held.arrived(item(100), at: at(0), publishersMax: 10)
        for number: UInt64 in 0..<100 {
            held.arrived(item(102 + 2 * number), at: at(0), publishersMax: 10)
            #expect(held.backlogCount <= 21)
        }
        #expect(pump(&held).reduce(0) { $0 + ($1 < 0 ? -$1 : 0) } > 80)
    }

    @Test("more publishers than the bound: the silent ones' order is forgotten, not their posts")
    func publishers() {
        var subscription = ordered()
        for k: UInt64 in 0..<50 {
            let publisher = PeerID(key: Bits256(k, 0, 0, 0))
            subscription.arrived(
                item(100, by: publisher), at: at(Int64(k)), publishersMax: 10)
            subscription.arrived(
                item(102, by: publisher), at: at(Int64(k)), publishersMax: 10)
        }
        subscription.deadlinePassed(at: at(60_000))
        let got = pump(&subscription)
        #expect(got.count { $0 >= 0 } == 100)
    }

    @Test("random arrivals come out in order, each once or told as missed")
    func random() {
        for seed: UInt64 in 1...20 {
            var generator = Generator(seed: seed)
            var subscription = ordered { $0.gapWait = .milliseconds(300) }
            var numbers = Array<UInt64>(100..<160)
            for i in numbers.indices where generator.chance(1, in: 3) {
                numbers.swapAt(i, min(i + generator.below(6), numbers.count - 1))
            }
            numbers.removeAll { $0 > 100 && generator.chance(1, in: 10) }
            let firstAt = numbers.firstIndex(of: 100)!
            numbers.swapAt(0, firstAt)
            var got: [Int] = []
            for (k, number) in numbers.enumerated() {
                let now = at(Int64(k) * 50)
                if let due = subscription.nextDeadline, due <= now {
                    subscription.deadlinePassed(at: now)
                }
                subscription.arrived(item(number), at: now, publishersMax: 10)
                got += pump(&subscription)
            }
            while let due = subscription.nextDeadline { subscription.deadlinePassed(at: due) }
            got += pump(&subscription)
            var next = 100
            for value in got {
                if value < 0 {
                    next -= value
                } else {
                    #expect(value == next, "seed \(seed)")
                    next = value + 1
                }
            }
            #expect(next == Int(numbers.max()!) + 1, "seed \(seed)")
        }
    }
}
