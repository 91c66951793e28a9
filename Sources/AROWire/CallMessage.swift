/// What a caller and a provider say to each other on an inference stream, one call each
/// (Docs/Decisions/0012-inference.md). The first byte of the stream is `StreamProtocol.inference`;
/// then each side sends frames:
///
///     type     1 byte
///     length   variable-length integer, RFC 9000 §16, shortest form, bounded by type
///     body     `length` bytes
///
/// Caller to provider, numbers as variable-length integers where nothing else is said:
///
///     01 CALL           key 16 · request hash 32 · endpoint u8 (1…4) · flags u8 (1 streamed) ·
///                       deadline u32, milliseconds from now (1…) · credit, bytes ·
///                       input price and output price that the caller pays at most ·
///                       body byte count (1…16,777,216) · model length u8 (1…64) · model, UTF-8 ·
///                       context count u8 (0…16) · CIDs, each after its length byte
///     02 BODY           1…65,536 bytes of the body; all of them together as announced
///     03 CANCEL         empty: stop
///     04 COUNTERSIGNED  the caller's signature on the receipt 64 · nothing, or a voucher
///     05 CREDIT         bytes of events that the caller takes, in all since the stream began
///
/// Provider to caller:
///
///     81 ACCEPTED       calls before this one (0: it runs at once) · milliseconds until the first
///                       event is expected · input price · output price
///     82 REFUSED        reason u8 · milliseconds after which to try again, 0 for unknown ·
///                       text, UTF-8, 0…1,024 bytes. The stream ends here
///     83 EVENT          1…262,144 bytes: one whole event of the backend
///     84 CHECKPOINT     events so far · their bytes · running hash 32 · signature 64
///     85 FINISHED       the receipt, signed by the provider alone
///     86 FAILED         reason u8 · text length (0…1,024) · text, UTF-8 · nothing, or the receipt
///                       for what was put out
///
/// The CALL comes first and once. The provider answers it by ACCEPTED or REFUSED at once, before the
/// body: so a caller may ask several providers and send the body to the best. A call takes its
/// place in the queue when its body has come; ACCEPTED comes again when the call begins to run and
/// what was said before no longer holds. While the model says nothing, the provider repeats the last
/// ACCEPTED, or signs a CHECKPOINT, each second: who hears nothing takes it for dead. Events come in the order of the backend, only while the
/// caller's credit is not used up, which one event may overshoot. FINISHED and FAILED are the last
/// of the provider; the caller answers a receipt that it agrees with by COUNTERSIGNED and ends the
/// stream.

import AROPrimitives
import AROCrypto

/// Bounds that both sides keep; beyond them a stream is reset.
public enum CallLimits {
    /// Bytes of a request's body. A guess: some pictures in base64 fit; a provider may allow less.
    public static let bodyByteCountMax = 16 << 20
    /// Bytes of one BODY frame. A guess: what the transport takes from a stream at a time.
    public static let bodyPartMax = 64 << 10
    /// Bytes of one event. A guess: the largest line of a server-sent stream with some hundred
    /// alternatives of a token fits by far.
    public static let eventByteCountMax = 256 << 10
    /// CIDs given to a model as context. A guess.
    public static let contextMax = 16
    /// Bytes of a reason's text. A guess: OpenAI's error bodies are shorter.
    public static let textByteCountMax = 1_024
    /// The longest deadline. A guess: what fits 32 bits is 49 days; nobody waits for a day.
    public static let deadlineMax = Duration.hours(24)
    /// Calls before one, that an answer may claim: what 16 bits hold, as in a ``ModelOffer``.
    public static let positionMax = Int(UInt16.max)
    /// Milliseconds that an answer may speak of: a day.
    public static let millisecondsMax = 86_400_000
    /// Bytes of a CALL's body: fixed 16 + 32 + 1 + 1 + 4, five numbers of 8, a name, CIDs.
    package static let callByteCountMax =
        54 + 5 * 8 + 1 + ModelOffer.nameBytesMax + 1 + contextMax * (1 + CID.byteCountMax)
}

/// Why a provider does not take a call.
public enum CallRefusal: UInt8, Hashable, Sendable, CaseIterable {
    /// All slots and the queue are full.
    case busy = 1
    case shuttingDown = 2
    /// It does not offer the model, or not any more.
    case unknownModel = 3
    /// It does not serve this endpoint of the model.
    case endpoint = 4
    /// The body or the context is larger than it takes.
    case tooLarge = 5
    /// Its price is above the caller's ceiling.
    case price = 6
    /// The caller owes as much as it may.
    case credit = 7
    /// The key was used for another request.
    case keyReused = 8
    /// The key's call was answered, and the answer is not held any more.
    case alreadyAnswered = 9
    /// The caller has as many calls here as it may.
    case tooManyCalls = 10
    /// The wait would outlast the deadline.
    case deadline = 11
}

/// Why a call that was taken did not end well.
public enum CallFault: UInt8, Hashable, Sendable, CaseIterable {
    /// The model server failed, or went away.
    case backend = 1
    /// The model server says that the request is wrong: no other provider will like it better.
    case badRequest = 2
    /// The context could not be fetched or verified.
    case context = 3
    /// Not finished in time.
    case deadline = 4
    /// The caller owes as much as it may: see the receipt for what was put out.
    case credit = 5
    /// More output than the provider allows.
    case outputTooLong = 6
    /// The caller wished it.
    case cancelled = 7
    case shuttingDown = 8
}

/// The head of a call.
public struct CallHead: Hashable, Sendable {
    public var key: CallKey
    /// ``CallDigest/request(endpoint:isStreamed:model:context:body:)``.
    public var requestHash: Bits256
    public var endpoint: CallEndpoint
    /// Whether the events are those of a stream, each whole; else they are pieces of one answer.
    public var isStreamed: Bool
    /// How long the caller waits for the end, in milliseconds.
    public var deadlineMilliseconds: UInt32
    /// Bytes of events that the caller takes from the start.
    public var credit: UInt64
    public var priceMax: TokenPrice
    public var bodyByteCount: Int
    public var model: String
    public var context: [CID]

    public init(
        key: CallKey, requestHash: Bits256, endpoint: CallEndpoint, isStreamed: Bool,
        deadlineMilliseconds: UInt32, credit: UInt64, priceMax: TokenPrice, bodyByteCount: Int,
        model: String, context: [CID]
    ) {
        (self.key, self.requestHash, self.endpoint) = (key, requestHash, endpoint)
        (self.isStreamed, self.deadlineMilliseconds) = (isStreamed, deadlineMilliseconds)
        (self.credit, self.priceMax, self.bodyByteCount) = (credit, priceMax, bodyByteCount)
        (self.model, self.context) = (model, context)
    }
}

/// What a caller says.
public enum CallerMessage: Hashable, Sendable {
    case call(CallHead)
    case body([UInt8])
    case cancel
    case countersigned(Signature, Voucher?)
    case credit(UInt64)
}

/// What a provider says.
public enum ProviderMessage: Hashable, Sendable {
    /// `position` calls run before it; the first event is expected after so many milliseconds.
    case accepted(position: Int, firstEventMilliseconds: Int, price: TokenPrice)
    case refused(CallRefusal, retryAfterMilliseconds: Int, text: String)
    case event([UInt8])
    case checkpoint(OutputCheckpoint)
    case finished(Receipt)
    case failed(CallFault, text: String, Receipt?)
}

enum CallFrameType: UInt8 {
    case call = 0x01
    case body = 0x02
    case cancel = 0x03
    case countersigned = 0x04
    case credit = 0x05
    case accepted = 0x81
    case refused = 0x82
    case event = 0x83
    case checkpoint = 0x84
    case finished = 0x85
    case failed = 0x86

    var isCallers: Bool { rawValue < 0x80 }

    /// What a body may have, in bytes.
    var bodyByteCount: ClosedRange<Int> {
        switch self {
        case .call: 1...CallLimits.callByteCountMax
        case .body: 1...CallLimits.bodyPartMax
        case .cancel: 0...0
        case .countersigned: Signature.byteCount...Signature.byteCount + Voucher.byteCountMax
        case .credit: 1...8
        case .accepted: 4...32
        case .refused: 2...9 + CallLimits.textByteCountMax
        case .event: 1...CallLimits.eventByteCountMax
        case .checkpoint: 1...OutputCheckpoint.byteCountMax
        case .finished: 1...Receipt.byteCountMax
        case .failed: 2...3 + CallLimits.textByteCountMax + Receipt.byteCountMax
        }
    }
}
