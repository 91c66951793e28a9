/// A bounded queue between threads: items with weights, taken in order, many at a time.

import Foundation

final class WorkQueue<Item: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let weightMax: Int
    private var items: [(item: Item, weight: Int)] = []
    private var head = 0
    private var weight = 0
    private var workers = 0
    private var isClosed = false
    private var onEnd: (@Sendable () -> Void)?

    init(weightMax: Int) { self.weightMax = weightMax }

    /// Returns false, and takes nothing, where the queue is closed or full.
    func add(_ item: Item, weight itemWeight: Int) -> Bool {
        condition.withLock {
            guard !isClosed, weight + itemWeight <= weightMax || head == items.count else {
                return false
            }
            items.append((item, itemWeight))
            weight += itemWeight
            condition.signal()
            return true
        }
    }

    /// Waits for items and takes the oldest, at least one; nil once the queue is closed and empty.
    func take(weightMax: Int, countMax: Int) -> [Item]? {
        condition.withLock {
            while head == items.count && !isClosed { condition.wait() }
            guard head < items.count else { return nil }
            var out: [Item] = []
            var taken = 0
            while head < items.count, out.count < countMax,
                out.isEmpty || taken + items[head].weight <= weightMax
            {
                taken += items[head].weight
                out.append(items[head].item)
                head += 1
            }
            weight -= taken
            dropTaken()
            return out
        }
    }

    /// Forgets what was taken once it is half of the array, so that an item costs O(1).
    private func dropTaken() {
        guard head == items.count || head > 64 && head * 2 > items.count else { return }
        items.removeFirst(head)
        head = 0
    }

    var isEmpty: Bool { condition.withLock { head == items.count } }

    func workerStarted() { condition.withLock { workers += 1 } }

    func workerEnded() {
        let onEnd = condition.withLock {
            workers -= 1
            return workers == 0 ? self.onEnd : nil
        }
        onEnd?()
    }

    /// Takes no more items; calls back once the workers have done what is there and have ended.
    func close(then done: @escaping @Sendable () -> Void) {
        let ended = condition.withLock {
            isClosed = true
            if workers > 0 { onEnd = done }
            condition.broadcast()
            return workers == 0
        }
        if ended { done() }
    }
}
