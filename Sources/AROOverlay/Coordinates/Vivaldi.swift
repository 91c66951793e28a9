/// Our place in the network's space of round-trip times: Dabek, Cox, Kaashoek and Morris, *Vivaldi*
/// (2004), the adaptive algorithm of §4.2 in the height model of §5.4. A spring between us and each
/// measured peer pulls or pushes us to where predictions are right.
///
/// Every peer that was measured is remembered for a while with its round-trip time, and counts again
/// and again with the place that it has moved to since, which its announcements tell: so many peers
/// that were met once, in handshakes and look-ups, pull at a node that goes on to measure five.
/// Vivaldi's samples come from the peers that an application happens to speak with; ours hardly
/// speaks with anybody while it is idle.
///
/// What peers say of themselves is not believed far: the length of a step is bounded by our own
/// error, nobody's claimed error counts for less than a floor, one peer's samples count once a
/// second, and of each peer's round-trip times the median of three does. Only +, -, *, / and square
/// roots are used, which round alike on every machine.

import AROPrimitives
import AROWire

public struct Vivaldi: Sendable {
    let shared: Shared<VivaldiConfiguration>
    public var configuration: VivaldiConfiguration { shared.value }
    public private(set) var coordinate = Coordinate.origin
    /// Samples that have moved us.
    public private(set) var sampleCount: UInt64 = 0

    private var filter = LatencyFilter()
    private var generator: Generator

    public init(
        configuration: VivaldiConfiguration = VivaldiConfiguration(), generator: Generator
    ) {
        self.init(Shared(configuration), generator: generator)
    }

    init(_ shared: Shared<VivaldiConfiguration>, generator: Generator) {
        self.shared = shared
        self.generator = generator
    }

    /// A round trip to a peer was measured, which says that it is at `other`. The more peers this
    /// is told of, the better: with five fixed ones predictions for others are poor, with sixteen or
    /// changing ones they are good.
    ///
    /// Returns whether ``coordinate`` has changed.
    @discardableResult
    public mutating func measured(
        _ roundTrip: Duration, to peer: PeerHandle, at other: Coordinate, at now: Instant
    ) -> Bool {
        guard roundTrip > .zero, roundTrip <= configuration.roundTripMax else { return false }
        let sample = Float(roundTrip.nanoseconds) / 1_000_000
        guard
            let median = filter.measured(
                sample, of: peer, at: now, limit: configuration.peersMax,
                interval: configuration.sampleInterval)
        else { return false }
        update(roundTrip: max(median, Coordinate.heightMin), to: other)
        sampleCount &+= 1
        return true
    }

    /// A peer whose place is worth another look; each that was measured lately in its turn.
    public mutating func nextRemembered(at now: Instant) -> PeerHandle? {
        filter.next(at: now, measuredWithin: configuration.rememberedFor)
    }

    /// A remembered peer is at `other` now. Its round-trip time will hardly have changed.
    public mutating func recalled(_ peer: PeerHandle, at other: Coordinate) {
        guard let median = filter.median(of: peer) else { return }
        update(roundTrip: max(median, Coordinate.heightMin), to: other)
    }

    /// The round-trip time to expect to a peer that is at `other`.
    public func predict(to other: Coordinate) -> Duration {
        Coordinate.predict(from: coordinate, to: other)
    }

    /// The peer will not be measured any more.
    public mutating func forget(_ peer: PeerHandle) { filter.forget(peer) }

    /// Every peer that must stay in the book.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) { filter.forEachHandle(body) }

    // MARK: The spring

    private mutating func update(roundTrip: Float, to other: Coordinate) {
        let distance = coordinate.distance(to: other)
        let claimed = max(other.error, configuration.claimedErrorMin)
        let weight = coordinate.error / (coordinate.error + claimed)
        let missed = roundTrip - distance
        let sampleError = min(missed.magnitude / roundTrip, configuration.sampleErrorMax)
        let share = configuration.errorShare * weight
        let error = sampleError * share + coordinate.error * (1 - share)
        let bound = configuration.stepMax * max(coordinate.error, configuration.stepErrorMin)
        let step = min(max(configuration.adaptation * weight * missed, -bound), bound)
        move(step, awayFrom: other, error: error)
    }

    /// The unit vector of the height model: the components' difference and the sum of the heights,
    /// over the distance.
    private mutating func move(_ step: Float, awayFrom other: Coordinate, error: Float) {
        let difference = coordinate.components - other.components
        let length = difference.length
        var components = coordinate.components
        var height = coordinate.height
        if length > 0 {
            let heights = coordinate.height + other.height
            let scale = step / (length + heights)
            components += difference * scale
            height += heights * scale
        } else {
            components += randomDirection() * step
        }
        let out = components.length
        if out > 0 {
            let ratio = out / configuration.gravityDistance
            components -= components * min(ratio * ratio / out, 1)
        }
        coordinate = Coordinate(components: components, height: height, error: error)
    }

    /// Who stands on the same spot is left in a direction of chance.
    private mutating func randomDirection() -> SIMD4<Float> {
        while true {
            var direction = SIMD4<Float>.zero
            for i in 0..<4 { direction[i] = Float(generator.unit()) * 2 - 1 }
            let length = direction.length
            if length > 0.1, length <= 1 { return direction / length }
        }
    }
}
