/// Time as the core sees it: 8-byte integer nanoseconds, handed in by the driver.
///
/// The standard library's `Duration` and monotonic instants take 16 bytes, and its clocks
/// read real time; the core holds thousands of timers and must never read a clock.

/// A span of time in nanoseconds. Shadows `Swift.Duration` in modules that import this one.
public struct Duration: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Duration(nanoseconds: 0)

    @inlinable public static func nanoseconds(_ n: Int64) -> Duration { .init(nanoseconds: n) }
    @inlinable public static func microseconds(_ n: Int64) -> Duration {
        .init(nanoseconds: n * 1_000)
    }
    @inlinable public static func milliseconds(_ n: Int64) -> Duration {
        .init(nanoseconds: n * 1_000_000)
    }
    @inlinable public static func seconds(_ n: Int64) -> Duration {
        .init(nanoseconds: n * 1_000_000_000)
    }
    @inlinable public static func minutes(_ n: Int64) -> Duration { .seconds(n * 60) }
    @inlinable public static func hours(_ n: Int64) -> Duration { .seconds(n * 3_600) }

    /// The span in seconds, for reports; never for decisions of the core.
    @inlinable public var seconds: Double { Double(nanoseconds) / 1e9 }
    /// The span in milliseconds, for reports; never for decisions of the core.
    @inlinable public var milliseconds: Double { Double(nanoseconds) / 1e6 }

    @inlinable public static func < (a: Duration, b: Duration) -> Bool {
        a.nanoseconds < b.nanoseconds
    }
    @inlinable public static func + (a: Duration, b: Duration) -> Duration {
        .init(nanoseconds: a.nanoseconds + b.nanoseconds)
    }
    @inlinable public static func - (a: Duration, b: Duration) -> Duration {
        .init(nanoseconds: a.nanoseconds - b.nanoseconds)
    }
    @inlinable public static func * (a: Duration, n: Int64) -> Duration {
        .init(nanoseconds: a.nanoseconds * n)
    }
    @inlinable public static func / (a: Duration, n: Int64) -> Duration {
        .init(nanoseconds: a.nanoseconds / n)
    }
    @inlinable public static func += (a: inout Duration, b: Duration) { a = a + b }
    @inlinable public static func -= (a: inout Duration, b: Duration) { a = a - b }
}

/// A moment of a node's monotonic clock: nanoseconds since an origin that only the driver knows.
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The driver's origin. A simulated world starts here.
    public static let origin = Instant(nanoseconds: 0)
    /// Later than every moment that a driver can reach.
    public static let distantFuture = Instant(nanoseconds: .max)

    @inlinable public static func < (a: Instant, b: Instant) -> Bool {
        a.nanoseconds < b.nanoseconds
    }
    @inlinable public static func + (a: Instant, d: Duration) -> Instant {
        .init(nanoseconds: a.nanoseconds + d.nanoseconds)
    }
    @inlinable public static func - (a: Instant, d: Duration) -> Instant {
        .init(nanoseconds: a.nanoseconds - d.nanoseconds)
    }
    @inlinable public static func - (a: Instant, b: Instant) -> Duration {
        .init(nanoseconds: a.nanoseconds - b.nanoseconds)
    }
    @inlinable public static func += (a: inout Instant, d: Duration) { a = a + d }
}

/// Wall-clock time: whole seconds since 1970-01-01T00:00:00Z. Used only for signed dates.
public struct UnixTime: Hashable, Comparable, Sendable {
    public var seconds: Int64

    @inlinable public init(seconds: Int64) { self.seconds = seconds }

    @inlinable public static func < (a: UnixTime, b: UnixTime) -> Bool { a.seconds < b.seconds }
    @inlinable public static func + (a: UnixTime, d: Duration) -> UnixTime {
        .init(seconds: a.seconds + d.nanoseconds / 1_000_000_000)
    }
    @inlinable public static func - (a: UnixTime, b: UnixTime) -> Duration {
        .seconds(a.seconds - b.seconds)
    }
}

/// The earlier of two optional moments; `nil` means never.
@inlinable public func earliest(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a else { return b }
    guard let b else { return a }
    return a < b ? a : b
}
