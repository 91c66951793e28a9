/// A system call that failed, in words for the user.

import Glibc

public struct SystemFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The system's error number, for instance `ENOSPC`.
    public var code: Int32
    /// What was tried, for instance "open /var/lib/aro/lock".
    public var attempt: String

    public init(_ attempt: String, code: Int32 = errno) {
        (self.attempt, self.code) = (attempt, code)
    }

    public var description: String { "\(attempt): \(Self.text(code))" }

    static func text(_ code: Int32) -> String {
        var space = [CChar](repeating: 0, count: 256)
        guard strerror_r(code, &space, space.count) == 0 else { return "error \(code)" }
        return String(
            decoding: space.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
