/// What the agenda holds, and what the world knows of one node.

import AROContent
import ARONode
import AROPrimitives

struct Event {
    enum Kind {
        case timer, downlink, datagram, processed, parcel, parcelAgain, disk, model, wallClock,
            alarm
    }

    var kind: Kind
    var node: UInt32
    /// The life of the node, or of its address, that this event is for; later ones ignore it.
    var epoch: UInt32
    /// A timer's time, a parked reply's place, an alarm's number, a datagram's port.
    var word: UInt64 = 0
    /// In the place of the port: the datagram has passed the receiver's NAT.
    static let inside = UInt64.max
    /// A datagram, in the world's byte pool.
    var bytes: UnsafeMutableRawPointer?
    var count = 0
    var from = SocketAddress(high: 0, low: 0, port: 0)

    init(_ kind: Kind, node: UInt32, epoch: UInt32, word: UInt64) {
        (self.kind, self.node, self.epoch, self.word) = (kind, node, epoch, word)
    }

    init(
        _ kind: Kind, node: UInt32, epoch: UInt32, bytes: UnsafeMutableRawPointer, count: Int,
        from: SocketAddress
    ) {
        (self.kind, self.node, self.epoch) = (kind, node, epoch)
        (self.bytes, self.count, self.from) = (bytes, count, from)
    }
}

/// From where a datagram comes, and to which port of whom it goes.
struct Way {
    var source: SocketAddress
    var receiver: Int
    var port: UInt16
}

/// What the trace calls the inputs of a node. The numbers are part of the hash.
enum TraceKind: UInt8 { case timer = 1, datagram, disk, wallClock, request, cancel, parcel, model }

/// What every event asks of its node. Apart from its ``Place``, so that those of all nodes stay near.
struct Seat<Resident: Inhabitant & ~Copyable> {
    /// nil while the node is down.
    var resident: UnsafeMutablePointer<Resident>?
    /// When the node wants to be woken, by the world's clock; the origin where it must be asked.
    var wakesAt = Instant.origin
    /// When its timer goes off, perhaps too early.
    var armedAt = Instant.distantFuture
}

/// A node's place in the world; it outlives the node.
struct Place {
    /// What waits for a paused node or its processor, bytes: Linux's default `net.core.rmem_max`.
    static var socketBufferMax: Int { 212_992 }

    var isPaused = false
    /// Lives and deaths so far.
    var epoch: UInt32 = 0
    /// Changes of address so far.
    var addressEpoch: UInt32 = 0
    var lastTimer = Instant.distantFuture
    var spins = 0
    var traffic = Traffic()
    /// What arrived while the node was paused.
    var held: [Event] = []
    var heldByteCount = 0
}

/// Values that wait for their event, by place.
struct Parking<Value> {
    private var values: [Value?] = []
    private var free: [Int] = []

    mutating func park(_ value: Value) -> UInt64 {
        if let place = free.popLast() {
            values[place] = value
            return UInt64(place)
        }
        values.append(value)
        return UInt64(values.count - 1)
    }

    subscript(place: UInt64) -> Value { values[Int(place)]! }

    mutating func take(_ place: UInt64) -> Value {
        let value = values[Int(place)].take()!
        free.append(Int(place))
        return value
    }
}

extension DiskReply {
    /// The kind of reply and its token, for the trace.
    var traceWord: UInt64 {
        switch self {
        case .block(let token, let result): token.number << 4 | (result.isSuccess ? 0 : 1)
        case .stored(let token, let result): token.number << 4 | (result.isSuccess ? 2 : 3)
        case .contains(let token, _): token.number << 4 | 4
        case .attestations(let token, _): token.number << 4 | 5
        }
    }
}

extension Result {
    fileprivate var isSuccess: Bool { if case .success = self { true } else { false } }
}
