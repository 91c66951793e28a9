/// What the simulated Internet does to datagrams: numbers only, no state.
///
/// A datagram passes the sender's access link (rate, queue, delay), the core (round-trip time of
/// the pair, jitter, loss, duplication, reordering, damage) and the receiver's access link. Sources
/// of the models and of suggested parameters: Docs/Simulation.md.

import AROPrimitives

public struct NetworkModel: Hashable, Sendable {
    /// What the core takes from one access link to another and back, a constant of each pair.
    public var roundTrip: RoundTrip = .constant(.milliseconds(50))
    /// A factor on the round-trip time, a constant of each pair.
    public var spread: Lognormal?
    /// What comes on top, changing over time.
    public var jitter: Jitter?
    public var loss: Loss = .none
    /// A datagram arrives twice, each copy with its own reordering delay.
    public var duplicate: Chance = .never
    /// A datagram is held back by up to ``reorderDelayMax`` and may be overtaken.
    public var reorder: Chance = .never
    public var reorderDelayMax: Duration = .milliseconds(20)
    /// One bit of a datagram is flipped. UDP's checksum would catch it; a hostile path would not.
    public var damage: Chance = .never
    /// The largest IP packet that passes, bytes; larger ones vanish without a word, as they do
    /// where ICMP is filtered.
    public var mtu = 1_500
    /// What a node's processor takes for what it receives; nil for no time.
    public var processing: Processing?

    public init() {}

    /// A clean link with one round-trip time.
    public static func constant(_ roundTrip: Duration) -> NetworkModel {
        var model = NetworkModel()
        model.roundTrip = .constant(roundTrip)
        return model
    }

    /// Headers of IPv4 (20) and UDP (8); IPv6 has 20 more.
    public static func headerByteCount(to address: SocketAddress) -> Int {
        address.isIPv4 ? 28 : 48
    }
}

/// The time that a node's processor takes for each packet that it receives, one after another; what
/// it answers leaves when it is done. What a handshake's packet took to make is counted where its answer
/// comes in.
public struct Processing: Hashable, Sendable {
    /// A packet of a handshake.
    public var handshake: Duration
    /// Any other.
    public var packet: Duration
    public init(handshake: Duration, packet: Duration) {
        precondition(handshake >= .zero && packet >= .zero)
        (self.handshake, self.packet) = (handshake, packet)
    }
}

public enum RoundTrip: Hashable, Sendable {
    case constant(Duration)
    /// Drawn once for each pair, evenly between the two.
    case uniform(Duration, Duration)
    /// By the regions of both nodes.
    case regions(RegionMatrix)
    /// By the places of both nodes in a space.
    case coordinates(CoordinateTable)

    /// The regions or lines of the table that a node may have; nil where there are none.
    var places: Range<Int>? {
        switch self {
        case .constant, .uniform: nil
        case .regions(let matrix): matrix.names.indices
        case .coordinates(let table): 0..<table.count
        }
    }
}

/// Delay that changes with time: queues of others along the way. A lognormal value is drawn for
/// every ``slot`` of every directed path and the delay moves in a straight line from one to the
/// next. So it is correlated in time and, being less than a slot long, never lets a later datagram
/// overtake an earlier one: reordering is a knob of its own. Nothing is stored.
public struct Jitter: Hashable, Sendable {
    public let median: Duration
    public let shape: Lognormal
    /// How long a path takes from one drawn value to the next.
    public let slot: Duration

    /// 100 ms: as long as a queue of the wide area stands (a guess).
    private static let slotLeast = Duration.milliseconds(100)

    public init(median: Duration, sigmaThousandths: Int) {
        precondition(median >= .zero && median <= .seconds(10))
        self.median = median
        shape = Lognormal(sigmaThousandths: sigmaThousandths)
        slot = max(Self.slotLeast, shape.scale(median, at: .max) * 2)
    }

    /// The delay at `now` on the path that `path` is a hash of.
    func delay(path: UInt64, at now: Instant) -> Duration {
        let index = now.nanoseconds / slot.nanoseconds
        let part = now.nanoseconds % slot.nanoseconds
        let from = value(path, index).nanoseconds
        let to = value(path, index + 1).nanoseconds
        let step = Int64((Int128(to - from) * Int128(part)) / Int128(slot.nanoseconds))
        return .nanoseconds(from + step)
    }

    private func value(_ path: UInt64, _ index: Int64) -> Duration {
        shape.scale(median, at: mix64(path ^ mix64(UInt64(index))))
    }
}

public enum Loss: Hashable, Sendable {
    case none
    /// Every datagram by itself.
    case independent(Chance)
    /// Gilbert (1960) and Elliott (1963): each directed path is in a good or a bad state; every
    /// datagram first may change the state, then may be lost by the chance of the state.
    case gilbertElliott(toBad: Chance, toGood: Chance, inGood: Chance, inBad: Chance)

    /// Gilbert's case in the terms of its effect: bursts of `length` datagrams on average, all
    /// lost, such that `mean` of all are lost.
    case bursts(mean: Chance, length: Int)

    /// The chances of changing between Gilbert's states that bring about ``bursts(mean:length:)``.
    static func chances(mean: Chance, length: Int) -> (toBad: Chance, toGood: Chance) {
        let lost = mean.partsPerMillion
        let toBad = lost == 1_000_000 ? 1_000_000 : lost * 1_000_000 / (length * (1_000_000 - lost))
        return (
            Chance(partsPerMillion: min(toBad, 1_000_000)),
            Chance(partsPerMillion: 1_000_000 / max(1, length))
        )
    }
}

/// A node's own link to the Internet.
public struct AccessLink: Hashable, Sendable {
    /// Bits per second; nil for no limit.
    public var up: Int64?
    public var down: Int64?
    /// What waits for a limited direction, bytes; what does not fit is dropped (tail drop).
    public var upQueueByteCountMax: Int64
    public var downQueueByteCountMax: Int64
    /// One way, added at this end.
    public var delay: Duration
    public var mtu: Int
    /// Of every datagram through it, in either direction.
    public var loss: Chance

    /// - Parameter queue: the depth of both queues in time at line rate. 100 ms: OverSim's and
    ///   common practice's order of magnitude.
    public init(
        up: Int64? = nil, down: Int64? = nil, queue: Duration = .milliseconds(100),
        delay: Duration = .zero, mtu: Int = 65_535, loss: Chance = .never
    ) {
        precondition(up ?? 1 > 0 && down ?? 1 > 0, "a link's rate is positive")
        (self.up, self.down, self.delay, self.mtu) = (up, down, delay, mtu)
        self.loss = loss
        upQueueByteCountMax = Self.byteCount(of: queue, at: up)
        downQueueByteCountMax = Self.byteCount(of: queue, at: down)
    }

    public static let unlimited = AccessLink()

    /// What `rate` carries in `span`, at least two full packets.
    private static func byteCount(of span: Duration, at rate: Int64?) -> Int64 {
        guard let rate else { return .max }
        let bits = Int128(rate) * Int128(span.nanoseconds) / 1_000_000_000
        return max(3_000, Int64(clamping: bits / 8))
    }
}
