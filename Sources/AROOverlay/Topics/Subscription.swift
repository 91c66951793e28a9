/// What one local subscriber is yet to see: posts in order of arrival or of their publishers, within
/// the bounds that it asked for.

import AROPrimitives
import AROWire

struct Subscription: Sendable {
    /// A post, as a whole message: the payload is its end.
    struct Item: Sendable {
        var name: TopicPostName
        var bytes: [UInt8]
        /// What the subscriber did not get between the item before and this one.
        var missedBefore = 0
    }

    /// The order of one publisher's posts.
    struct Order: Sendable {
        var publisher: PeerID
        /// What the subscriber gets next.
        var next: UInt64
        /// Posts above ``next``, in order.
        var held: [Item] = []
        /// When the wait for ``next`` ends.
        var due: Instant?
        /// The least number that the subscriber got or was told of.
        var first: UInt64
        var heardAt: Instant
    }

    let options: SubscriptionOptions
    let subscriber: SubscriberID
    private var queue: [Item] = []
    private var queueFirst = 0
    private var byteCount = 0
    /// Handed out and not consumed.
    private var ahead = 0
    /// To be told before the first item of the queue, and before the next one that enters it.
    private var missed = 0
    private var missedSince = 0
    private var orders: [Order] = []
    var drops = TopicDropCounts()

    init(_ options: SubscriptionOptions, of subscriber: SubscriberID = .only) {
        (self.options, self.subscriber) = (options, subscriber)
    }

    var backlogCount: Int { queue.count - queueFirst + orders.reduce(0) { $0 + $1.held.count } }

    // MARK: Facts

    /// A verified post is here.
    mutating func arrived(_ item: Item, at now: Instant, publishersMax: Int) {
        guard options.ordered else { return enqueue(item) }
        let o = order(of: item.name, at: now, limit: publishersMax)
        orders[o].heardAt = now
        guard item.name.sequence >= orders[o].next else { return late(item.name.sequence, o) }
        if item.name.sequence - orders[o].next >= SequenceWindow.width {
            startAnew(o, with: item.name.sequence, at: now)
        }
        hold(item, o)
        release(o, at: now)
        if heldCount > options.backlogMax { giveUpOldestWait(at: now) }
    }

    /// A post that surely existed is not to be had.
    mutating func lost(_ name: TopicPostName) {
        // With an order, its end of waiting tells.
        if !options.ordered { missedSince += 1 }
    }

    mutating func consumed(_ count: Int) { ahead = max(ahead - max(count, 0), 0) }

    var nextDeadline: Instant? { orders.reduce(nil) { earliest($0, $1.due) } }

    mutating func deadlinePassed(at now: Instant) {
        for o in orders.indices {
            guard let due = orders[o].due, due <= now else { continue }
            skipGap(o, at: now)
        }
    }

    /// Hands out what the subscriber may have now.
    mutating func pump(_ topic: TopicID, aheadMax: Int, into out: inout TopicsOutbox) {
        while ahead < aheadMax {
            tellMissed(topic, into: &out)
            guard queueFirst < queue.count else { return }
            let item = queue[queueFirst]
            removeFirst()
            ahead += 1
            out.events.append(
                .message(
                    topic, for: subscriber, publisher: item.name.publisher,
                    sequence: item.name.sequence,
                    payload: Array(item.bytes[TopicPostHead.byteCount...])))
        }
    }

    private mutating func tellMissed(_ topic: TopicID, into out: inout TopicsOutbox) {
        if queueFirst < queue.count {
            missed += queue[queueFirst].missedBefore
            queue[queueFirst].missedBefore = 0
        } else {
            missed += missedSince
            missedSince = 0
        }
        guard missed > 0 else { return }
        out.events.append(.lagged(topic, for: subscriber, missed: missed))
        missed = 0
    }

    // MARK: The queue

    private mutating func enqueue(_ item: Item) {
        queue.append(item)
        queue[queue.count - 1].missedBefore = missedSince
        missedSince = 0
        byteCount += item.bytes.count
        while queue.count - queueFirst > max(options.backlogMax, 1)
            || byteCount > options.backlogBytesMax && queue.count - queueFirst > 1
        {
            missed += 1 + queue[queueFirst].missedBefore
            removeFirst()
            drops.count(.backlogFull)
        }
    }

    private mutating func removeFirst() {
        byteCount -= queue[queueFirst].bytes.count
        queue[queueFirst].bytes = []
        queueFirst += 1
        guard queueFirst == queue.count || queueFirst > 64 && queueFirst > queue.count / 2 else {
            return
        }
        queue.removeFirst(queueFirst)
        queueFirst = 0
        if queue.isEmpty { queue = [] }
    }

    // MARK: Order

    private var heldCount: Int { orders.reduce(0) { $0 + $1.held.count } }

    /// The row of the post's publisher.
    private mutating func order(of name: TopicPostName, at now: Instant, limit: Int) -> Int {
        if let o = orders.firstIndex(where: { $0.publisher == name.publisher }) { return o }
        if orders.count >= limit { forgetSilent() }
        var order = Order(
            publisher: name.publisher, next: name.sequence, first: name.sequence, heardAt: now)
        // The first posts of a run: the one before may be on its way.
        let inRun = name.sequence & ((1 << TopicPost.runBits) - 1)
        if inRun > 0, inRun < Self.youngRun {
            order.next = name.sequence - inRun
            order.due = now + min(options.gapWait, Self.firstWait)
        }
        orders.append(order)
        return orders.count - 1
    }

    /// A publisher's posts before the first that is seen are waited for if there are fewer than
    /// this, and for so long. Guesses.
    private static let youngRun: UInt64 = 8
    private static let firstWait = Duration.milliseconds(500)

    private mutating func forgetSilent() {
        guard let silent = orders.indices.min(by: { orders[$0].heardAt < orders[$1].heardAt })
        else { return }
        for item in orders[silent].held { enqueue(item) }
        orders.remove(at: silent)
    }

    /// The publisher began a new run: nothing connects it to the last one.
    private mutating func startAnew(_ o: Int, with sequence: UInt64, at now: Instant) {
        while !orders[o].held.isEmpty { skipGap(o, at: now) }
        (orders[o].next, orders[o].first) = (sequence, sequence)
    }

    private mutating func late(_ sequence: UInt64, _ o: Int) {
        drops.count(.lateForOrder)
        // Otherwise it was told already.
        if sequence < orders[o].first {
            orders[o].first = sequence
            missedSince += 1
        }
    }

    private mutating func hold(_ item: Item, _ o: Int) {
        let at =
            orders[o].held.lastIndex { $0.name.sequence < item.name.sequence }.map { $0 + 1 } ?? 0
        orders[o].held.insert(item, at: at)
    }

    /// Enqueues what follows without a gap.
    private mutating func release(_ o: Int, at now: Instant) {
        var released = 0
        while released < orders[o].held.count,
            orders[o].held[released].name.sequence == orders[o].next
        {
            enqueue(orders[o].held[released])
            orders[o].next += 1
            orders[o].first = min(orders[o].first, orders[o].next - 1)
            released += 1
        }
        if released > 0 { orders[o].held.removeFirst(released) }
        if orders[o].held.isEmpty {
            orders[o].due = nil
        } else if released > 0 || orders[o].due == nil {
            orders[o].due = now + options.gapWait
        }
    }

    /// What misses before the first held post is not waited for any more.
    private mutating func skipGap(_ o: Int, at now: Instant) {
        guard let held = orders[o].held.first else { return orders[o].due = nil }
        let next = orders[o].next
        orders[o].next = held.name.sequence
        // Nobody missed what was before our time, or between two runs of a publisher.
        let from = max(next, orders[o].first)
        if held.name.sequence > from, held.name.sequence - next < SequenceWindow.width {
            missedSince += Int(held.name.sequence - from)
        }
        orders[o].due = nil
        release(o, at: now)
    }

    private mutating func giveUpOldestWait(at now: Instant) {
        var oldest: Int?
        for o in orders.indices where orders[o].due != nil {
            if oldest.map({ orders[o].due! < orders[$0].due! }) ?? true { oldest = o }
        }
        if let oldest { skipGap(oldest, at: now) }
    }
}
