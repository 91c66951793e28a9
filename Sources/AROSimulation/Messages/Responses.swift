/// Responses to initiations, with the messages that rode in them: each is sent again if its initiation
/// comes again. All nodes' lie in one list in the order of time, so that each is forgotten when its
/// time is over, and not when its node next happens to look.
///
/// A joining node gives out a hundred of a kilobyte each. Of a response that has reached its initiator
/// only the size is kept: it will not be read again, but may be sent again.

import AROPrimitives

struct Responses {
    struct Name: Hashable {
        var responder, initiator, session: UInt32
    }

    private struct Rider {
        /// Empty when it has arrived.
        var bytes: [UInt8]
        var byteCount: UInt32
        /// Of the responder: another one knows nothing of it.
        var life: UInt32
        var at: Instant
    }

    private struct Kept {
        var name: Name
        var at: Instant
    }

    /// Asked, never iterated.
    private var riders: [Name: Rider] = [:]
    /// By time. Those that are forgotten before their time stay in it.
    private var queue: [Kept] = []
    private var queueFirst = 0

    /// What rides in a response that is sent again.
    func rider(of name: Name, life: UInt32) -> [UInt8]? {
        guard let rider = riders[name], rider.life == life else { return nil }
        let hasArrived = rider.bytes.count < rider.byteCount
        return hasArrived ? Array(repeating: 0, count: Int(rider.byteCount)) : rider.bytes
    }

    /// The initiator has it.
    mutating func arrived(_ name: Name) { riders[name]?.bytes = [] }

    /// Until `lifetime` from now, and forgets what is older. All names have one lifetime.
    mutating func keep(
        _ bytes: [UInt8], for name: Name, life: UInt32, at now: Instant, lifetime: Duration
    ) {
        while queueFirst < queue.count, queue[queueFirst].at + lifetime <= now {
            let old = queue[queueFirst]
            if riders[old.name]?.at == old.at { riders[old.name] = nil }
            queueFirst += 1
        }
        if 2 * queueFirst > queue.count, queueFirst > 64 {
            queue.removeFirst(queueFirst)
            queueFirst = 0
        }
        // A copy, as what grew by appending has room to spare.
        riders[name] = Rider(
            bytes: bytes.withUnsafeBytes { Array($0) }, byteCount: UInt32(bytes.count),
            life: life, at: now)
        queue.append(Kept(name: name, at: now))
    }

    mutating func forget(_ name: Name) { riders[name] = nil }

    var heapByteCount: Int {
        let row = MemoryLayout<Name>.stride + MemoryLayout<Rider>.stride
        return queue.heapByteCount + riders.capacity * row * 4 / 3
            + riders.values.reduce(0) { $0 + $1.bytes.heapByteCount }
    }
}
