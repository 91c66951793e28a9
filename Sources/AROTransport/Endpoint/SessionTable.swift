/// The sessions by index. Each has a place of its own on the heap that never moves, as sessions cannot
/// be copied and `Array` holds only what can.

import AROPrimitives

struct SessionTable: ~Copyable {
    private struct Slot {
        var session: UnsafeMutablePointer<Session>?
        var generation: UInt32 = 0
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private(set) var count = 0

    deinit {
        for slot in slots {
            slot.session?.deinitialize(count: 1)
            slot.session?.deallocate()
        }
    }

    /// The number of places, used or not.
    var indices: Range<UInt32> { 0..<UInt32(slots.count) }

    /// The name of the next session; it must be inserted before the next is asked for.
    mutating func nextID() -> SessionID {
        if let index = free.last {
            return SessionID(index: index, generation: slots[Int(index)].generation)
        }
        slots.append(Slot())
        free.append(UInt32(slots.count - 1))
        return SessionID(index: UInt32(slots.count - 1), generation: 0)
    }

    mutating func insert(_ session: consuming Session) -> UnsafeMutablePointer<Session> {
        let index = Int(session.id.index)
        precondition(free.last == session.id.index)
        free.removeLast()
        let place = UnsafeMutablePointer<Session>.allocate(capacity: 1)
        place.initialize(to: session)
        slots[index].session = place
        count += 1
        return place
    }

    func session(at index: UInt32) -> UnsafeMutablePointer<Session>? {
        Int(index) < slots.count ? slots[Int(index)].session : nil
    }

    func session(_ id: SessionID) -> UnsafeMutablePointer<Session>? {
        guard let session = session(at: id.index), slots[Int(id.index)].generation == id.generation
        else { return nil }
        return session
    }

    mutating func remove(_ id: SessionID) {
        guard let session = session(id) else { return }
        session.deinitialize(count: 1)
        session.deallocate()
        slots[Int(id.index)].session = nil
        slots[Int(id.index)].generation &+= 1
        free.append(id.index)
        count -= 1
    }
}
