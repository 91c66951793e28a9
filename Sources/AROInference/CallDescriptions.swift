/// The failures of calls in words for the user: what happened, to whom, and what to do.

import AROPrimitives
import AROWire

extension CallFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .modelNotFound(let model):
            "no provider of the model \(model) is known; see which there are by aro models"
        case .noProviderLeft(let tried, let last):
            "none of the \(tried) providers asked could answer; the last one: \(last)"
        case .busy(let wait):
            "every provider of this model is full; try again in \(Self.seconds(wait)) s"
        case .tooExpensive:
            "every provider of this model asks more than this call may cost; see aro models, "
                + "and allow more by --pay-input and --pay-output"
        case .creditExhausted:
            "every provider of this model says that this node owes too much; see aro accounts"
        case .rejected(_, let text): "the model server refused the request: \(text)"
        case .contextUnavailable(let provider, let text):
            "the provider \(provider) could not get the context: \(text)"
        case .outputTooLong(let provider):
            "the answer is longer than the provider \(provider) allows; it was cut"
        case .keySpent(_, .keyReused): "this idempotency key was used for another request"
        case .keySpent:
            "this idempotency key's call was answered, and the answer is not held any more"
        case .keyInUse: "a call with this idempotency key is under way"
        case .interrupted(let provider, let reason):
            "the provider \(provider) was lost in the middle of the answer: \(reason)"
        case .wrongReceipt(let provider, let fault):
            "the receipt of the provider \(provider) is wrong: \(fault.rawValue)"
        case .deadline(let limit): "not finished within \(Self.seconds(limit)) s"
        case .invalidRequest(let reason): reason
        case .tooManyCalls: "too many calls are under way at this node"
        case .shuttingDown: "the node is shutting down"
        }
    }

    /// Whole seconds, rounded up.
    private static func seconds(_ span: Duration) -> Int64 {
        max(1, (span.nanoseconds + 999_999_999) / 1_000_000_000)
    }
}

extension AttemptFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .refused(let reason, let text): text.isEmpty ? reason.description : text
        case .failed(let fault, let text): text.isEmpty ? fault.description : text
        case .unreachable: "it could not be reached"
        case .hungUp: "it hung up"
        case .silent: "it fell silent"
        case .violation(let violation): "it broke the protocol (\(violation))"
        }
    }
}

extension CallRefusal: CustomStringConvertible {
    public var description: String {
        switch self {
        case .busy: "all its slots and its queue are full"
        case .shuttingDown: "it is shutting down"
        case .unknownModel: "it does not offer this model"
        case .endpoint: "it does not serve this endpoint"
        case .tooLarge: "the request is larger than it takes"
        case .price: "it asks more than this call may cost"
        case .credit: "the caller owes as much as it may"
        case .keyReused: "the idempotency key was used for another request"
        case .alreadyAnswered: "the call was answered, and the answer is not held any more"
        case .tooManyCalls: "the caller has as many calls there as it may"
        case .deadline: "the wait would outlast the deadline"
        }
    }
}

extension CallFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .backend: "its model server failed"
        case .badRequest: "its model server refused the request"
        case .context: "it could not get the context"
        case .deadline: "it was not done in time"
        case .credit: "the caller owes as much as it may"
        case .outputTooLong: "the answer was longer than it allows"
        case .cancelled: "the call was cancelled"
        case .shuttingDown: "it is shutting down"
        }
    }
}

extension CallViolation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed: "a malformed message"
        case .outOfTurn: "a message out of turn"
        case .beyondCredit: "more than was asked for"
        case .bodyMismatch: "a body other than announced"
        case .wrongCheckpoint: "a wrong checkpoint"
        case .wrongReceipt(let fault): "a wrong receipt: \(fault.rawValue)"
        case .wrongPayment: "a wrong signature or voucher"
        }
    }
}
