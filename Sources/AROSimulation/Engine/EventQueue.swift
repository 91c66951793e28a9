/// The simulation's agenda: a 4-ary heap of 16-byte keys over a slab of payloads.
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

    private var keys: UnsafeMutablePointer<UInt128>
    private var payloads: UnsafeMutablePointer<Payload>
    private var free: UnsafeMutablePointer<UInt32>
    private var freeCount = 0
    private var slotsUsed = 0
    private var capacity: Int
    private var sequence: UInt64 = 0
    private(set) var count = 0

    init(capacity: Int = 1_024) {
        self.capacity = capacity
        keys = .allocate(capacity: capacity)
        payloads = .allocate(capacity: capacity)
        free = .allocate(capacity: capacity)
    }

    deinit {
        for i in 0..<count { (payloads + Self.slot(of: keys[i])).deinitialize(count: 1) }
        keys.deallocate()
        payloads.deallocate()
        free.deallocate()
    }

    var heapByteCount: Int {
        capacity * (16 + MemoryLayout<Payload>.stride + MemoryLayout<UInt32>.stride)
    }

    /// The payload that comes next, if nothing earlier is added.
    var next: UnsafePointer<Payload>? {
        count == 0 ? nil : UnsafePointer(payloads + Self.slot(of: keys[0]))
    }

    /// Asks for the payloads that may come after the next one: its children in the heap.
    func prefetch() {
        var i = 1
        while i < min(count, 5) {
            Prefetch.ask(payloads + Self.slot(of: keys[i]), MemoryLayout<Payload>.size)
            i += 1
        }
    }

    /// When the next event is due, in nanoseconds; nil where nothing is pending.
    var nextTime: Int64? { count == 0 ? nil : Int64(truncatingIfNeeded: keys[0] >> 64) }

    /// Adds an event. Events of one time come out in the order in which they were added.
    mutating func push(_ payload: consuming Payload, at time: Int64) {
        precondition(time >= 0, "a simulated moment before the origin")
        if count == capacity { grow() }
        let slot = takeSlot()
        (payloads + slot).initialize(to: payload)
        sequence += 1
        let key = UInt128(UInt64(time)) << 64 | UInt128(sequence << 24 | UInt64(slot))
        count += 1
        siftUp(key, from: count - 1)
    }

    /// Takes out the earliest event where it is due at `limit` or before.
    mutating func pop(until limit: Int64) -> (time: Int64, payload: Payload)? {
        guard count > 0 else { return nil }
        let top = keys[0]
        let time = Int64(truncatingIfNeeded: top >> 64)
        guard time <= limit else { return nil }
        let slot = Self.slot(of: top)
        free[freeCount] = UInt32(slot)
        freeCount += 1
        count -= 1
        if count > 0 { siftDown(keys[count]) }
        return (time, (payloads + slot).move())
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
            guard first < count else { break }
            var least = first
            var leastKey = keys[first]
            for child in first + 1..<max(first + 1, min(first + 4, count)) {
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
        keys = Self.moved(keys, count: count, to: bigger)
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
