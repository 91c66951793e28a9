/// What `aro` ends with; Docs/Operating.md explains each.

import ARO
import AROGateway
import ArgumentParser

enum ExitStatus: Int32, CaseIterable {
    case success = 0
    case failure = 1
    case notFound = 3
    case noNode = 4
    case unverified = 5
    case full = 6
    /// EX_USAGE of sysexits(3), as the argument parser has it.
    case usage = 64
    case interrupted = 130

    /// nil for what the argument parser explains better.
    init?(of error: any Error) {
        switch error {
        case let report as FailureReport: self.init(report.code)
        case ControlClientFailure.noNode: self = .noNode
        case is ControlClientFailure, is SystemFailure, is StoreFailure, is StartFailure,
            is GatewayFailure:
            self = .failure
        case let failure as CommandFailure: self = failure.status
        default: return nil
        }
    }

    init(_ code: FailureReport.Code) {
        switch code {
        case .failed, .busy, .version: self = .failure
        case .usage: self = .usage
        case .notFound: self = .notFound
        case .unverified: self = .unverified
        case .full: self = .full
        }
    }
}

/// What a command itself found wrong.
struct CommandFailure: Error, CustomStringConvertible {
    var status: ExitStatus
    var description: String

    init(_ status: ExitStatus, _ description: String) {
        (self.status, self.description) = (status, description)
    }

    init(_ description: String) { self.init(.failure, description) }
}
