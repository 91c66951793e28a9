/// The simulation's agenda: keys of 16 bytes over a slab of payloads.
///
/// A key packs the time, a sequence number and the payload's place into 128 bits, so that one
/// comparison orders by time and, at equal times, by the order of insertion; payloads never move
/// while they wait. Keys come nearer in four steps:
///
/// 1. a heap of what is seconds away;
/// 2. a wheel of the next seconds, by the millisecond and unordered within it;
/// 3. a heap of the millisecond that is being played, which stays in the nearest cache;
/// 4. the first few in order, so that their memory can be asked for well before their turn.
///
/// A calendar queue (Brown 1988), all wheel, degrades where many events share one moment, which a
/// world with whole-second timers has; here such a moment is a heap. `aro-sim bench` prints what it
/// does.

import AROPrimitives

struct EventQueue<Payload>: ~Copyable {
    /// Pending events are bounded by the key's layout: 24 bits of place, 40 of sequence.
    static var pendingMax: Int { 1 << 24 }
    private static var slotMask: UInt64 { 1 << 24 - 1 }

    /// The first of all, ascending; full unless nothing else is pending.
    private let front: UnsafeMutablePointer<UInt128>
    private var frontCount = 0
    /// What is due before the wheel begins.
    private var near = EventKeyHeap()
    private var wheel = EventKeyWheel()
    /// What is due after the wheel's turn.
    private var far = EventKeyHeap()
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
        payloads = .allocate(capacity: capacity)
        free = .allocate(capacity: capacity)
    }

    deinit {
        let payloads = payloads
        func drop(_ key: UInt128) { (payloads + Self.slot(of: key)).deinitialize(count: 1) }
        for i in 0..<frontCount { drop(front[i]) }
        for i in 0..<near.count { drop(near[i]) }
        for i in 0..<far.count { drop(far[i]) }
        wheel.forEach(drop)
        front.deallocate()
        payloads.deallocate()
        free.deallocate()
    }

    /// What lies on the heap for it.
    var heapByteCount: Int {
        let keys = (near.capacity + far.capacity) * MemoryLayout<UInt128>.stride
        let slot = MemoryLayout<Payload>.stride + MemoryLayout<UInt32>.stride
        return keys + wheel.byteCount + capacity * slot
    }

    var count: Int { frontCount + near.count + wheel.count + far.count }

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
        let slot = takeSlot()
        (payloads + slot).initialize(to: payload)
        sequence += 1
        let key = UInt128(UInt64(time)) << 64 | UInt128(sequence << 24 | UInt64(slot))
        guard frontCount == Self.frontMax else { return insertInFront(key) }
        let last = front[frontCount - 1]
        guard key < last else { return addBehind(key) }
        frontCount -= 1
        insertInFront(key)
        addBehind(last)
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

    private mutating func addBehind(_ key: UInt128) {
        if wheel.holds(key) {
            wheel.push(key)
        } else if EventKeyWheel.tick(of: key) < wheel.begin {
            near.push(key)
        } else {
            far.push(key)
        }
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
        fillFront()
        return (time, (payloads + slot).move())
    }

    private mutating func fillFront() {
        if near.isEmpty {
            if wheel.count == 0 {
                guard !far.isEmpty else { return }
                wheel.turn(to: far.top)
                takeFromFar()
            }
            wheel.popTick(into: &near)
            takeFromFar()
        }
        let key = near.pop()
        front[frontCount] = key
        frontCount += 1
        Prefetch.ask(payloads + Self.slot(of: key), MemoryLayout<Payload>.size)
    }

    /// What the wheel has turned to.
    private mutating func takeFromFar() {
        while !far.isEmpty, wheel.holds(far.top) { wheel.push(far.pop()) }
    }

    private static func slot(of key: UInt128) -> Int {
        Int(UInt64(truncatingIfNeeded: key) & slotMask)
    }

    private mutating func takeSlot() -> Int {
        if freeCount > 0 {
            freeCount -= 1
            return Int(free[freeCount])
        }
        if slotsUsed == capacity { grow() }
        slotsUsed += 1
        return slotsUsed - 1
    }

    /// Every slot is in use when the queue grows.
    private mutating func grow() {
        precondition(capacity < Self.pendingMax, "more than \(Self.pendingMax) pending events")
        let bigger = min(capacity * 2, Self.pendingMax)
        let room = UnsafeMutablePointer<Payload>.allocate(capacity: bigger)
        room.moveInitialize(from: payloads, count: slotsUsed)
        payloads.deallocate()
        payloads = room
        free.deallocate()
        free = .allocate(capacity: bigger)
        capacity = bigger
    }
}
