/// The events of the tests' worlds, earliest first: of one moment, in the order of their insertion.

import AROPrimitives

/// What waits in a world of messages.
enum WorldEvent {
    case message(from: Int, to: Int, [UInt8])
    case wake(Int)
}

/// A binary heap of (time, order of insertion).
struct LinkQueue<Event> {
    private var heap: [(at: Instant, order: UInt64, event: Event)] = []
    private var inserted: UInt64 = 0

    var nextTime: Instant? { heap.first?.at }

    mutating func insert(at: Instant, _ event: Event) {
        heap.append((at, inserted, event))
        inserted += 1
        var i = heap.count - 1
        while i > 0, isBefore(i, (i - 1) / 2) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    mutating func removeFirst() -> Event {
        heap.swapAt(0, heap.count - 1)
        let event = heap.removeLast().event
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            guard least != i else { return event }
            heap.swapAt(i, least)
            i = least
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (heap[a].at, heap[a].order) < (heap[b].at, heap[b].order)
    }
}
