/// A place in the network's space of round-trip times: Dabek, Cox, Kaashoek and Morris, *Vivaldi*
/// (2004), §5.4: a Euclidean point, and a height for what every packet pays on its access link.
///
/// ```
/// coordinate   4 components f32 · height f32 · error f32                            24 bytes
/// ```
///
/// Four components: on the round-trip times of 50 cloud regions, a fifth to eighth lower the median
/// error by less than a twentieth of itself. Each number is the bit pattern of an IEEE 754 single,
/// big-endian; one that is not finite, is out of its bounds or is a negative zero is refused, so
/// that arithmetic with what a stranger sends stays finite and every coordinate has one encoding.
///
/// Only +, -, *, / and square roots are used, which IEEE 754 rounds alike everywhere.

import AROPrimitives

public struct Coordinate: Hashable, Sendable {
    /// Milliseconds of round-trip time along each axis.
    public private(set) var components: SIMD4<Float>
    /// Milliseconds of round-trip time that lead out of the space: never less than ``heightMin``.
    public private(set) var height: Float
    /// The relative error that its owner expects of predictions: 0.01 is good, 1 is a guess.
    public private(set) var error: Float

    public static let byteCount = 24
    /// Farther out than any round trip that a transport endures. A guess.
    public static let componentMax: Float = 10_000
    /// A height of zero would be a point that others can share; serf keeps 10 µs too.
    public static let heightMin: Float = 0.01
    public static let heightMax: Float = 10_000
    /// A coordinate of error zero would never move again, and would pull everybody with full force.
    /// A guess: a hundredth is better than any measured embedding.
    public static let errorMin: Float = 0.01
    /// serf's bound.
    public static let errorMax: Float = 1.5

    /// Where everybody starts.
    public static let origin = Coordinate(components: .zero, height: heightMin, error: errorMax)

    /// Every number is brought within its bounds; one that is none becomes the nearest to nothing.
    public init(components: SIMD4<Float>, height: Float, error: Float) {
        var inside = SIMD4<Float>.zero
        for i in 0..<4 {
            // Adding zero makes a negative zero a positive one.
            inside[i] = Self.bounded(components[i], -Self.componentMax, Self.componentMax) + 0
        }
        self.components = inside
        self.height = Self.bounded(height, Self.heightMin, Self.heightMax)
        self.error = Self.bounded(error, Self.errorMin, Self.errorMax)
    }

    private static func bounded(_ value: Float, _ low: Float, _ high: Float) -> Float {
        guard !value.isNaN else { return low < 0 ? 0 : low }
        return min(max(value, low), high)
    }

    /// The round-trip time between two places, in milliseconds.
    public func distance(to other: Coordinate) -> Float {
        (components - other.components).length + height + other.height
    }

    /// The round-trip time to expect between two places, whether their owners ever met or not.
    public static func predict(from a: Coordinate, to b: Coordinate) -> Duration {
        .nanoseconds(Int64(a.distance(to: b) * 1_000_000))
    }
}

extension SIMD4<Float> {
    /// The Euclidean norm, summed in one fixed order.
    package var length: Float {
        (self[0] * self[0] + self[1] * self[1] + self[2] * self[2] + self[3] * self[3])
            .squareRoot()
    }
}

extension [UInt8] {
    package mutating func appendCoordinate(_ coordinate: Coordinate) {
        let at = coordinate.components
        func word(_ number: Float) -> UInt32 { number.bitPattern.bigEndian }
        // At once, as it rides in every probe.
        Swift.withUnsafeBytes(
            of: (
                word(at[0]), word(at[1]), word(at[2]), word(at[3]), word(coordinate.height),
                word(coordinate.error)
            )
        ) { append(contentsOf: $0) }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    package mutating func coordinate() throws(DecodingFailure) -> Coordinate {
        var components = SIMD4<Float>.zero
        for i in 0..<4 {
            components[i] = try float(in: -Coordinate.componentMax...Coordinate.componentMax)
        }
        let height = try float(in: Coordinate.heightMin...Coordinate.heightMax)
        let error = try float(in: Coordinate.errorMin...Coordinate.errorMax)
        return Coordinate(components: components, height: height, error: error)
    }

    @_lifetime(self: copy self)
    private mutating func float(in bounds: ClosedRange<Float>) throws(DecodingFailure) -> Float {
        let value = Float(bitPattern: try u32())
        guard bounds.contains(value) else { throw .outOfBounds }
        guard value != 0 || value.sign == .plus else { throw .notCanonical }
        return value
    }
}
