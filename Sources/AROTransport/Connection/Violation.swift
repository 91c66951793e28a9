/// Why a connection ends: codes of CLOSE, and what a peer did wrong.

import AROPrimitives

/// The code of a CLOSE, a RESET_STREAM or a STOP_SENDING. Below 0x100 the transport's own, after
/// RFC 9000 §20.1; from 0x100 on the application's.
public struct CloseCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Nothing is wrong; the session is not needed any more.
    public static let none = CloseCode(rawValue: 0)
    public static let internalError = CloseCode(rawValue: 1)
    public static let flowControl = CloseCode(rawValue: 3)
    public static let streamLimit = CloseCode(rawValue: 4)
    public static let streamState = CloseCode(rawValue: 5)
    public static let finalSize = CloseCode(rawValue: 6)
    public static let frameEncoding = CloseCode(rawValue: 7)
    public static let parameters = CloseCode(rawValue: 8)
    public static let protocolViolation = CloseCode(rawValue: 0x0a)
    /// The node is shutting down.
    public static let shuttingDown = CloseCode(rawValue: 0x100)
    /// The first code that applications on top may give a meaning.
    public static let firstApplication: UInt64 = 0x1000
}

/// A peer's bug: the session ends with this code.
public struct Violation: Error, Hashable, Sendable {
    public var code: CloseCode
    /// For the log and the peer.
    public var reason: String

    init(_ code: CloseCode, _ reason: String) { (self.code, self.reason) = (code, reason) }

    init(_ failure: DecodingFailure) { self.init(.frameEncoding, "frame: \(failure)") }
}
