/// A 4-ary heap (Johnson 1975) of an agenda's keys: half as deep as a binary one, and the four children
/// of an element fill one cache line.

import AROPrimitives

struct EventKeyHeap: ~Copyable {
    private var keys: UnsafeMutablePointer<UInt128>
    private(set) var count = 0
    private(set) var capacity = 60

    init() { keys = Self.room(capacity) }

    deinit { Self.giveBack(keys) }

    var isEmpty: Bool { count == 0 }

    /// The least; there must be one.
    var top: UInt128 { keys[0] }

    subscript(i: Int) -> UInt128 { keys[i] }

    mutating func push(_ key: UInt128) {
        if count == capacity { grow() }
        count += 1
        siftUp(key, from: count - 1)
    }

    /// Takes the least; there must be one.
    mutating func pop() -> UInt128 {
        let least = keys[0]
        count -= 1
        if count > 0 { siftDown(keys[count]) }
        return least
    }

    private func siftUp(_ key: UInt128, from start: Int) {
        var hole = start
        while hole > 0 {
            let parent = (hole - 1) >> 2
            guard key < keys[parent] else { break }
            keys[hole] = keys[parent]
            hole = parent
        }
        keys[hole] = key
    }

    private func siftDown(_ key: UInt128) {
        var hole = 0
        while true {
            let child = leastChild(of: hole)
            guard child < count, keys[child] < key else { break }
            keys[hole] = keys[child]
            hole = child
        }
        keys[hole] = key
    }

    /// `count` or more where there is none.
    @inline(__always)
    private func leastChild(of hole: Int) -> Int {
        let first = hole << 2 + 1
        if first + 3 < count {
            let left = keys[first + 1] < keys[first] ? first + 1 : first
            let right = keys[first + 3] < keys[first + 2] ? first + 3 : first + 2
            return keys[right] < keys[left] ? right : left
        }
        var least = first
        var other = first + 1
        while other < count {
            if keys[other] < keys[least] { least = other }
            other += 1
        }
        return least
    }

    private mutating func grow() {
        capacity *= 2
        let bigger = Self.room(capacity)
        bigger.moveInitialize(from: keys, count: count)
        Self.giveBack(keys)
        keys = bigger
    }

    /// Room whose element 1, and with it every four that are children of one, begins a cache line.
    private static func room(_ capacity: Int) -> UnsafeMutablePointer<UInt128> {
        let stride = MemoryLayout<UInt128>.stride
        let room = UnsafeMutableRawPointer.allocate(
            byteCount: (margin + capacity) * stride, alignment: Prefetch.lineByteCount)
        return room.bindMemory(to: UInt128.self, capacity: margin + capacity) + margin
    }

    private static func giveBack(_ keys: UnsafeMutablePointer<UInt128>) {
        UnsafeMutableRawPointer(keys - margin).deallocate()
    }

    /// Left free before the heap, so that a line ends with its root.
    private static var margin: Int { Prefetch.lineByteCount / MemoryLayout<UInt128>.stride - 1 }
}
