/// The folder of a run or of a sweep. It is written beside its place and moved there at once, so a
/// folder that is there is whole.

import AROPrimitives
import Foundation

public struct RunFolder {
    public let url: URL

    public enum Failure: Error, CustomStringConvertible {
        case exists(String)
        case cannotWrite(String, String)

        public var description: String {
            switch self {
            case .exists(let path): "\(path) exists already; runs are not written over"
            case .cannotWrite(let path, let reason): "cannot write \(path): \(reason)"
            }
        }
    }

    /// - Parameter path: must not exist, but its parent must.
    public init(path: String) throws(Failure) {
        url = URL(fileURLWithPath: path)
        if FileManager.default.fileExists(atPath: url.path) { throw .exists(path) }
    }

    public func write(_ files: [RunFile]) throws(Failure) {
        let temporary = url.deletingLastPathComponent()
            .appendingPathComponent(
                ".\(url.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier)")
        do {
            for file in files {
                let url = temporary.appendingPathComponent(file.name)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(file.text.utf8).write(to: url)
            }
            try FileManager.default.moveItem(at: temporary, to: url)
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            throw .cannotWrite(url.path, Self.reason(error))
        }
    }

    /// What the system says, which is shorter and truer than what Foundation makes of it.
    private static func reason(_ error: any Error) -> String {
        let inner = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        guard let inner, inner.domain == NSPOSIXErrorDomain else {
            return error.localizedDescription
        }
        return String(cString: strerror(Int32(inner.code)))
    }
}

/// One file of a run's folder.
public struct RunFile: Hashable, Sendable {
    public let name: String
    public let text: String

    public init(_ name: String, _ text: String) { (self.name, self.text) = (name, text) }
}
