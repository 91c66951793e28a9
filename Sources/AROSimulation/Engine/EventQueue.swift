/// The simulation's agenda: a 4-ary heap of 16-byte keys over a slab of payloads, and before it the
/// first few in order, so that their memory can be asked for well before their turn.
///
/// A key packs the time, a sequence number and the payload's place into 128 bits, so that one
/// comparison orders by time and, at equal times, by the order of insertion; payloads never move
/// while they wait. A 4-ary heap (Johnson 1975) halves the depth of a binary one and its four
/// children lie in one cache line. A calendar queue (Brown 1988) is faster where times are spread
/// evenly, but degrades where many events share one moment, which a world with whole-second timers
/// has; `aro-sim bench` prints what this one does.

import AROPrimitives

struct EventQueue<Payload>: ~Copyable {
    /// Pending events are bounded by the key's layout: 24 bits of place, 40 of sequence.
    static var pendingMax: Int { 1 << 24 }
    private static var slotMask: UInt64 { 1 << 24 - 1 }

    /// The first of all, ascending; full unless the heap is empty.
    private let front: UnsafeMutablePointer<UInt128>
    private var frontCount = 0
    private var keys: UnsafeMutablePointer<UInt128>
    private var heapCount = 0
    private var payloads: UnsafeMutablePointer<Payload>
    private var free: UnsafeMutablePointer<UInt32>
    private var freeCount = 0
    private var slotsUsed = 0
    private var capacity: Int
    private var sequence: UInt64 = 0

    /// How many stand in ``front``: an event's node is asked for three events ahead. A guess.
    private static var frontMax: Int { 6 }

    init(capacity: Int = 1_024) {
        self.capacity = capacity
        front = .allocate(capacity: Self.frontMax)
        keys = .allocate(capacity: capacity)
        payloads = .allocate(capacity: capacity)
        free = .allocate(capacity: capacity)
    }

    deinit {
        for i in 0..<frontCount { (payloads + Self.slot(of: front[i])).deinitialize(count: 1) }
        for i in 0..<heapCount { (payloads + Self.slot(of: keys[i])).deinitialize(count: 1) }
        front.deallocate()
        keys.deallocate()
        payloads.deallocate()
        free.deallocate()
    }

    var heapByteCount: Int {
        capacity * (16 + MemoryLayout<Payload>.stride + MemoryLayout<UInt32>.stride)
    }

    var count: Int { frontCount + heapCount }

    /// The payload that comes behind so many others, if nothing earlier is added; nil where it is not
    /// known yet, or there is none.
    func payload(behind others: Int) -> UnsafePointer<Payload>? {
        others < frontCount ? UnsafePointer(payloads + Self.slot(of: front[others])) : nil
    }

    /// When the next event is due, in nanoseconds; nil where nothing is pending.
    var nextTime: Int64? {
        frontCount == 0 ? nil : Int64(truncatingIfNeeded: front[0] >> 64)
    }

    /// Adds an event. Events of one time come out in the order in which they were added.
    mutating func push(_ payload: consuming Payload, at time: Int64) {
        precondition(time >= 0, "a simulated moment before the origin")
        if count == capacity { grow() }
        let slot = takeSlot()
        (payloads + slot).initialize(to: payload)
        sequence += 1
        let key = UInt128(UInt64(time)) << 64 | UInt128(sequence << 24 | UInt64(slot))
        guard frontCount == Self.frontMax else { return insertInFront(key) }
        let last = front[frontCount - 1]
        guard key < last else { return addToHeap(key) }
        frontCount -= 1
        insertInFront(key)
        addToHeap(last)
    }

    /// There must be room.
    private mutating func insertInFront(_ key: UInt128) {
        var hole = frontCount
        while hole > 0, key < front[hole - 1] {
            front[hole] = front[hole - 1]
            hole -= 1
        }
        front[hole] = key
        frontCount += 1
    }

    private mutating func addToHeap(_ key: UInt128) {
        heapCount += 1
        siftUp(key, from: heapCount - 1)
    }

    /// Takes out the earliest event where it is due at `limit` or before.
    mutating func pop(until limit: Int64) -> (time: Int64, payload: Payload)? {
        guard frontCount > 0 else { return nil }
        let top = front[0]
        let time = Int64(truncatingIfNeeded: top >> 64)
        guard time <= limit else { return nil }
        let slot = Self.slot(of: top)
        free[freeCount] = UInt32(slot)
        freeCount += 1
        frontCount -= 1
        for i in 0..<frontCount { front[i] = front[i + 1] }
        if heapCount > 0 { advanceFirstOfHeap() }
        return (time, (payloads + slot).move())
    }

    private mutating func advanceFirstOfHeap() {
        front[frontCount] = keys[0]
        frontCount += 1
        Prefetch.ask(payloads + Self.slot(of: keys[0]), MemoryLayout<Payload>.size)
        heapCount -= 1
        if heapCount > 0 { siftDown(keys[heapCount]) }
    }

    private static func slot(of key: UInt128) -> Int {
        Int(UInt64(truncatingIfNeeded: key) & slotMask)
    }

    private mutating func takeSlot() -> Int {
        if freeCount > 0 {
            freeCount -= 1
            return Int(free[freeCount])
        }
        slotsUsed += 1
        return slotsUsed - 1
    }

    private mutating func siftUp(_ key: UInt128, from start: Int) {
        var hole = start
        while hole > 0 {
            let parent = (hole - 1) >> 2
            guard key < keys[parent] else { break }
            keys[hole] = keys[parent]
            hole = parent
        }
        keys[hole] = key
    }

    private mutating func siftDown(_ key: UInt128) {
        var hole = 0
        while true {
            let first = hole << 2 + 1
            guard first < heapCount else { break }
            var least = first
            var leastKey = keys[first]
            for child in first + 1..<max(first + 1, min(first + 4, heapCount)) {
                let candidate = keys[child]
                if candidate < leastKey { (least, leastKey) = (child, candidate) }
            }
            guard leastKey < key else { break }
            keys[hole] = leastKey
            hole = least
        }
        keys[hole] = key
    }

    private mutating func grow() {
        precondition(capacity < Self.pendingMax, "more than \(Self.pendingMax) pending events")
        let bigger = min(capacity * 2, Self.pendingMax)
        keys = Self.moved(keys, count: heapCount, to: bigger)
        payloads = Self.moved(payloads, count: slotsUsed, to: bigger)
        free.deallocate()
        free = .allocate(capacity: bigger)
        capacity = bigger
    }

    /// Every slot is in use when the queue grows: `count == capacity` leaves none free.
    private static func moved<T>(
        _ old: UnsafeMutablePointer<T>, count: Int, to capacity: Int
    ) -> UnsafeMutablePointer<T> {
        let new = UnsafeMutablePointer<T>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }
}
