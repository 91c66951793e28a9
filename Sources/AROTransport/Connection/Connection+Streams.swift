/// The doors of whoever uses streams and messages. Call `write` afterwards.

import AROPrimitives
import AROWire

extension Connection {
    /// Queues an unreliable message; the oldest one gives way when too many wait. Returns false for
    /// one that is too large or comes too late.
    package mutating func send(message: RawSpan) -> Bool {
        guard closing == nil, !isClosed, message.byteCount <= WireLimits.messageMax else {
            return false
        }
        messages.append(message)
        return true
    }

    /// Opens a stream; nil when the peer allows no more for now.
    package mutating func openStream(priority: StreamPriority) -> UInt64? {
        guard closing == nil, !isClosed, let id = streams.nextID() else { return nil }
        insertStream(id, priority: priority, at: clock)
        return id
    }

    /// Says how urgent a stream is; one that the peer opened is ``StreamPriority/interactive`` at
    /// first.
    package mutating func prioritize(_ id: UInt64, _ priority: StreamPriority) {
        guard let slot = streams.slot(of: id) else { return }
        streams.setPriority(slot, to: priority)
    }

    /// Bytes that the writer of a stream should not exceed now. After 0,
    /// ``ConnectionEvent/writable(_:)`` says when there is room again.
    package mutating func room(in id: UInt64) -> Int {
        guard let slot = streams.slot(of: id), streams[slot].send.takesData else { return 0 }
        let room = configuration.sendHighWater - streams[slot].send.unsent
        if room <= 0 { streams[slot].owesWritable = true }
        return max(room, 0)
    }

    /// Takes a segment whole, by reference, if there is any room at all. Returns whether it was
    /// taken.
    package mutating func write(_ bytes: [UInt8], to id: UInt64) -> Bool {
        guard room(in: id) > 0, let slot = streams.slot(of: id) else { return false }
        streams[slot].send.write(bytes)
        streams.enqueue(slot)
        return true
    }

    /// Ends our side after what was written; ``ConnectionEvent/delivered(_:)`` says when all
    /// arrived.
    package mutating func finish(_ id: UInt64) {
        guard let slot = streams.slot(of: id) else { return }
        streams[slot].send.finish()
        streams.enqueue(slot)
    }

    /// Takes back what was written and not delivered, and ends our side.
    package mutating func reset(_ id: UInt64, code: UInt64) {
        guard let slot = streams.slot(of: id), streams[slot].send.reset(code: code) else { return }
        streams[slot].isResetDue = true
        streams.enqueueControl(slot)
    }

    /// Wants no more of what the peer sends on this stream.
    package mutating func stop(_ id: UInt64, code: UInt64) {
        guard let slot = streams.slot(of: id), !streams[slot].isStopped,
            !streams[slot].isReceiveDone
        else { return }
        streams[slot].isStopped = true
        streams[slot].stopCode = code
        discard(slot, at: clock)
        if streams[slot].receive.finalSize != nil {
            streams[slot].isReceiveDone = true
            removeIfDone(slot)
        } else {
            streams[slot].isStopDue = true
            streams.enqueueControl(slot)
        }
    }

    /// Hands at most `count` bytes to `body`, in order, in place, in one call or two. `isFinished`
    /// says that the peer's side has ended and all of it was read; so it does for a stream that is
    /// over.
    package mutating func read(
        _ id: UInt64, atMost count: Int, _ body: (RawSpan) -> Void
    ) -> (count: Int, isFinished: Bool) {
        guard let slot = streams.slot(of: id), !streams[slot].isReceiveDone else {
            return (0, true)
        }
        streams[slot].isReadableAnnounced = false
        let taken = streams[slot].receive.read(atMost: count, body)
        consumed(UInt64(taken), at: clock)
        guard !streams[slot].receive.isFinished else {
            streams[slot].isReceiveDone = true
            removeIfDone(slot)
            return (taken, true)
        }
        if taken > 0 { lendCredit(slot) }
        return (taken, false)
    }

    private mutating func lendCredit(_ slot: Int) {
        let consumed = streams[slot].receive.consumed
        guard streams[slot].receive.finalSize == nil,
            streams[slot].window.consumed(
                consumed, roundTrip: recovery.roundTrip.smoothed, at: clock)
        else { return }
        streams[slot].isCreditDue = true
        streams.enqueueControl(slot)
    }
}
