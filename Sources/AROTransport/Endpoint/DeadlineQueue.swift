/// When which session wants to be woken: a binary heap that knows where each session stands in it,
/// so that a deadline can be moved. Equal times go by index, so the order is the same in every run.

import AROPrimitives

struct DeadlineQueue: Sendable {
    private struct Entry {
        var at: Instant
        var index: UInt32

        static func < (a: Entry, b: Entry) -> Bool { (a.at, a.index) < (b.at, b.index) }
    }

    private var heap: [Entry] = []
    /// Where each session stands in ``heap``; -1 for nowhere.
    private var position: [Int32] = []

    var first: Instant? { heap.first?.at }

    /// The first session whose moment has come; it leaves the queue.
    mutating func popFirst(until now: Instant) -> UInt32? {
        guard let first = heap.first, first.at <= now else { return nil }
        set(first.index, to: nil)
        return first.index
    }

    /// Moves the deadline of session `index`; nil removes it.
    mutating func set(_ index: UInt32, to at: Instant?) {
        let i = Int(index)
        while position.count <= i { position.append(-1) }
        let place = Int(position[i])
        guard let at else {
            if place >= 0 { remove(place) }
            return
        }
        if place >= 0 {
            guard heap[place].at != at else { return }
            heap[place].at = at
            siftDown(siftUp(place))
        } else {
            heap.append(Entry(at: at, index: index))
            position[i] = Int32(heap.count - 1)
            _ = siftUp(heap.count - 1)
        }
    }

    private mutating func remove(_ place: Int) {
        position[Int(heap[place].index)] = -1
        let last = heap.removeLast()
        guard place < heap.count else { return }
        heap[place] = last
        position[Int(last.index)] = Int32(place)
        siftDown(siftUp(place))
    }

    private mutating func siftUp(_ start: Int) -> Int {
        var i = start
        while i > 0, heap[i] < heap[(i - 1) / 2] {
            swap(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
        return i
    }

    private mutating func siftDown(_ start: Int) {
        var i = start
        while true {
            var least = i
            let (left, right) = (2 * i + 1, 2 * i + 2)
            if left < heap.count, heap[left] < heap[least] { least = left }
            if right < heap.count, heap[right] < heap[least] { least = right }
            guard least != i else { return }
            swap(i, least)
            i = least
        }
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        position[Int(heap[a].index)] = Int32(a)
        position[Int(heap[b].index)] = Int32(b)
    }
}
