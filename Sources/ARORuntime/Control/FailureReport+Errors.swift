/// Which code a failure has for programs; the words for the user are the failure's own.

import ARONode
import AROContent
import AROInference
import AROWire

extension FailureReport {
    package init(_ error: any Error) {
        switch error {
        case let report as FailureReport: self = report
        case let failure as FetchFailure: self.init(failure.code, failure.words)
        case let failure as RequestFailure: self.init(failure.code, failure.description)
        case let failure as CallFailure: self.init(failure.code, failure.description)
        case let failure as ContentFailure: self.init(failure.code, failure.description)
        case let failure as StoreFailure: self.init(failure.code, failure.description)
        case let failure as CIDFailure: self.init(.usage, failure.description)
        default: self.init(.failed, "\(error)")
        }
    }
}

extension FetchFailure {
    var code: FailureReport.Code {
        switch self {
        case .noProviders, .providersLost, .pathNotFound: .notFound
        case .notPublishedBy, .malformed: .unverified
        case .notADirectory, .rangeOutside, .rangeOfDirectory: .usage
        case .diskFull: .full
        case .tooManyFetches: .busy
        case .disk: .failed
        }
    }

    var words: String {
        switch self {
        case .noProviders(let cid): "nobody is known to hold \(cid)"
        case .providersLost(let cid):
            "everyone known to hold \(cid) failed or cannot be reached; what came is kept, so a new "
                + "try goes on from there"
        case .notPublishedBy(let peer): "no valid signature of \(peer) was found for this content"
        case .pathNotFound(let path): "there is no '\(path)' in it"
        case .notADirectory(let path): "'\(path)' is no directory"
        case .rangeOutside(let count):
            "the range lies outside of the file, which has \(count) bytes"
        case .rangeOfDirectory: "a range can be asked of a file only; this is a directory"
        case .malformed(let cid, let why): "\(cid) is malformed: \(why)"
        case .tooManyFetches: "too many fetches are under way; try again"
        case .diskFull: "the disk or the quota is full; raise --quota or unpin something"
        case .disk(let why): why
        }
    }
}

extension RequestFailure {
    var code: FailureReport.Code {
        switch self {
        case .nameNotFound, .noPeers: .notFound
        case .tooManyRequests, .tooManyPublications, .topic(.tooManyTopics), .topic(.tooFast),
            .topic(.tooManySubscribers):
            .busy
        case .invalidName, .invalidTopic, .topic(.payloadTooLarge): .usage
        case .topic(.alreadySubscribed), .topic(.noGossip): .failed
        case .bootstrapUnreachable, .shuttingDown: .failed
        }
    }
}

extension CallFailure {
    var code: FailureReport.Code {
        switch self {
        case .modelNotFound, .contextUnavailable: .notFound
        case .busy, .tooManyCalls, .keyInUse: .busy
        case .rejected, .invalidRequest, .keySpent: .usage
        case .wrongReceipt: .unverified
        case .noProviderLeft, .tooExpensive, .creditExhausted, .outputTooLong, .interrupted,
            .deadline, .shuttingDown:
            .failed
        }
    }
}

extension ContentFailure {
    var code: FailureReport.Code {
        switch self {
        case .store(let failure): failure.code
        case .tree(let failure): failure.code
        case .missing: .notFound
        case .exists: .usage
        case .unsafeName: .unverified
        case .unpublishable, .changed, .stream, .cancelled: .failed
        }
    }
}

extension StoreFailure {
    var code: FailureReport.Code {
        switch self {
        case .notFound: .notFound
        case .corrupt: .unverified
        case .full, .diskFull: .full
        default: .failed
        }
    }
}
