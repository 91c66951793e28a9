/// Why datagrams were thrown away, each reason with a name that metrics and logs keep for good.

public enum DropReason: Int, CaseIterable, Sendable {
    /// Too short, of an unknown type, or from an address that none can have.
    case malformed
    case undersizedInitiation
    case unknownVersion
    /// The Noise message did not verify: a forgery, or meant for another key.
    case forgedHandshake
    /// The handshake's payload makes no sense, or its peer id is not its key's.
    case invalidHandshake
    /// A first message that we saw before, cookie and all.
    case replayedHandshake
    case challenged
    case overloaded
    case tableFull
    /// Our own initiation wins over the peer's.
    case simultaneousOpen
    case ownIdentity
    /// A handshake packet that fits no handshake under way.
    case unexpectedHandshake
    case unknownSession
    /// Data before the session has its keys.
    case earlyData
    case forgedData
    case replayedData
    case invalidFrames
    /// An answer that could not be queued.
    case answersFull

    /// Lower snake case, as metrics write it.
    public var name: String {
        switch self {
        case .malformed: "malformed"
        case .undersizedInitiation: "undersized_initiation"
        case .unknownVersion: "unknown_version"
        case .forgedHandshake: "forged_handshake"
        case .invalidHandshake: "invalid_handshake"
        case .replayedHandshake: "replayed_handshake"
        case .challenged: "challenged"
        case .overloaded: "overloaded"
        case .tableFull: "table_full"
        case .simultaneousOpen: "simultaneous_open"
        case .ownIdentity: "own_identity"
        case .unexpectedHandshake: "unexpected_handshake"
        case .unknownSession: "unknown_session"
        case .earlyData: "early_data"
        case .forgedData: "forged_data"
        case .replayedData: "replayed_data"
        case .invalidFrames: "invalid_frames"
        case .answersFull: "answers_full"
        }
    }
}

/// What a transport did in all.
public struct TransportStatistics: Sendable {
    public var datagramsIn: UInt64 = 0
    public var datagramsOut: UInt64 = 0
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    public var handshakesStarted: UInt64 = 0
    public var handshakesCompleted: UInt64 = 0
    public var cookiesSent: UInt64 = 0
    public var resetsSent: UInt64 = 0
    public var sessionsEvicted: UInt64 = 0
    public var rekeys: UInt64 = 0
    public var migrations: UInt64 = 0
    private var dropped = [UInt64](repeating: 0, count: DropReason.allCases.count)

    public init() {}

    /// Datagrams dropped for `reason`.
    public subscript(reason: DropReason) -> UInt64 {
        get { dropped[reason.rawValue] }
        set { dropped[reason.rawValue] = newValue }
    }

    public var droppedCount: UInt64 { dropped.reduce(0, +) }
}
