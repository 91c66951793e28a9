/// The streams of a connection: a slab with bounded count, looked up by id, scheduled by priority.
///
/// Ids are even for streams that the handshake's initiator opened, odd for its responder's; the
/// bits above count from 0. All streams are bidirectional. The schedule is strict between
/// priorities and round-robin, a packet each, among equals.

import AROPrimitives

/// One stream.
struct StreamState {
    var id: UInt64
    var priority: StreamPriority
    var send: SendBuffer
    var receive = ReceiveBuffer()
    var window: FlowWindow

    var isScheduled = false
    /// Control frames that wait.
    var isResetDue = false
    var isStopDue = false
    var isCreditDue = false
    var isControlQueued = false

    /// The reader gave up; what still comes is counted and dropped.
    var isStopped = false
    var stopCode: UInt64 = 0
    /// The reader has seen the end: all bytes, or the peer's reset.
    var isReceiveDone = false
    /// Events that wait to be taken.
    var isReadableAnnounced = false
    /// The writer was told to wait.
    var owesWritable = false

    var isDone: Bool { send.isDone && isReceiveDone }
}

struct Streams {
    private var slots: ContiguousArray<StreamState?> = []
    private var free: [Int] = []
    private var slotByID: [UInt64: Int] = [:]
    private var lastID: UInt64 = .max
    private var lastSlot = 0

    /// A queue of slots for every priority.
    private var schedule: [Ring<Int>]
    /// Slots with control frames that wait.
    var controlQueue = Ring(filler: 0)

    let role: Role
    /// Streams opened so far by us and by the peer.
    private(set) var opened: UInt64 = 0
    private(set) var openedByPeer: UInt64 = 0
    /// How many the peer lets us open, and we the peer.
    private(set) var openLimit: UInt64
    private(set) var peerOpenLimit: UInt64

    init(role: Role, openLimit: UInt64, peerOpenLimit: UInt64) {
        (self.role, self.openLimit, self.peerOpenLimit) = (role, openLimit, peerOpenLimit)
        schedule = StreamPriority.allCases.map { _ in Ring(filler: 0) }
    }

    /// Streams that live.
    var count: Int { slots.count - free.count }
    /// Bytes of memory in receive buffers, for tests and status.
    var receiveBufferBytes: Int { slots.reduce(0) { $0 + ($1?.receive.byteCount ?? 0) } }

    subscript(slot: Int) -> StreamState {
        get { slots[slot]! }
        _modify { yield &slots[slot]! }
    }

    mutating func slot(of id: UInt64) -> Int? {
        if id == lastID { return lastSlot }
        guard let slot = slotByID[id] else { return nil }
        (lastID, lastSlot) = (id, slot)
        return slot
    }

    func isOurs(_ id: UInt64) -> Bool { (id & 1 == 0) == (role == .initiator) }

    /// Whether a stream of this id was ever opened, by whichever side.
    func wasOpened(_ id: UInt64) -> Bool { id >> 1 < (isOurs(id) ? opened : openedByPeer) }

    /// The id of our next stream; nil when the peer allows no more.
    mutating func nextID() -> UInt64? {
        guard opened < openLimit else { return nil }
        defer { opened += 1 }
        return opened << 1 | (role == .initiator ? 0 : 1)
    }

    mutating func nextPeerID() -> UInt64 {
        defer { openedByPeer += 1 }
        return openedByPeer << 1 | (role == .initiator ? 1 : 0)
    }

    mutating func raiseOpenLimit(to limit: UInt64) { openLimit = max(openLimit, limit) }

    @discardableResult
    mutating func insert(_ stream: StreamState) -> Int {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot] = stream
        } else {
            slot = slots.count
            slots.append(stream)
        }
        slotByID[stream.id] = slot
        return slot
    }

    /// Forgets a stream that is done. Returns whether the peer may open another in its place.
    mutating func removeIfDone(_ slot: Int) -> Bool {
        let stream = slots[slot]!
        guard stream.isDone else { return false }
        if stream.isScheduled { schedule[Int(stream.priority.rawValue)].remove { $0 == slot } }
        if stream.isControlQueued { controlQueue.remove { $0 == slot } }
        slotByID[stream.id] = nil
        if lastID == stream.id { lastID = .max }
        slots[slot] = nil
        free.append(slot)
        guard !isOurs(stream.id) else { return false }
        peerOpenLimit += 1
        return true
    }

    // MARK: Schedule

    mutating func enqueue(_ slot: Int) {
        guard !slots[slot]!.isScheduled else { return }
        slots[slot]!.isScheduled = true
        schedule[Int(slots[slot]!.priority.rawValue)].append(slot)
    }

    mutating func setPriority(_ slot: Int, to priority: StreamPriority) {
        let old = Int(slots[slot]!.priority.rawValue)
        slots[slot]!.priority = priority
        guard slots[slot]!.isScheduled else { return }
        schedule[old].remove { $0 == slot }
        schedule[Int(priority.rawValue)].append(slot)
    }

    mutating func enqueueControl(_ slot: Int) {
        guard !slots[slot]!.isControlQueued else { return }
        slots[slot]!.isControlQueued = true
        controlQueue.append(slot)
    }

    /// The stream whose turn it is; those that have nothing to send leave the queue on the way,
    /// those that only lack the connection's credit keep their place in it.
    mutating func nextSlot(connectionCredit: UInt64) -> Int? {
        for priority in schedule.indices {
            for _ in 0..<schedule[priority].count {
                let slot = schedule[priority][0]
                if slots[slot]!.send.hasWork(connectionCredit: connectionCredit) { return slot }
                schedule[priority].removeFirst()
                if slots[slot]!.send.hasWork(connectionCredit: .max) {
                    schedule[priority].append(slot)
                } else {
                    slots[slot]!.isScheduled = false
                }
            }
        }
        return nil
    }

    /// The stream had its turn: behind its equals, if it is still in front of them.
    mutating func rotate(_ slot: Int) {
        let priority = Int(slots[slot]!.priority.rawValue)
        guard schedule[priority].first == slot else { return }
        schedule[priority].append(schedule[priority].removeFirst())
    }
}

/// Which side of the handshake we are.
public enum Role: UInt8, Sendable { case initiator, responder }
