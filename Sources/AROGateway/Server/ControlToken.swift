/// The secret that tells the owner's programs from others: 32 random bytes in a file that only the owner
/// can read, made anew each time the gateway starts.

import AROCrypto
import AROPrimitives
import Glibc

public struct ControlToken: Sendable {
    /// Where the owner's programs find it.
    public let path: String
    private let text: [UInt8]

    /// Where the token of the node with this data directory lies.
    public static func path(in directory: String) -> String { directory + "/gateway.token" }

    /// The token of the gateway that runs with this data directory, for its owner; nil where there is
    /// none to be read.
    public static func read(in directory: String) -> String? {
        let descriptor = open(path(in: directory), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let line = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }

    /// Makes a new one.
    init(in directory: String) throws(GatewayFailure) {
        path = Self.path(in: directory)
        var entropy = Entropy.system()
        text = Array(Hex.encode(entropy.bytes(32)).utf8)
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .token(String(cString: strerror(errno))) }
        let line = text + [UInt8(ascii: "\n")]
        let written = write(descriptor, line, line.count)
        close(descriptor)
        guard written == line.count, rename(temporary, path) == 0 else {
            throw .token(String(cString: strerror(errno)))
        }
    }

    /// Takes as long for a near miss as for any other guess.
    func matches(_ given: some StringProtocol) -> Bool {
        let given = Array(given.utf8)
        guard given.count == text.count else { return false }
        return zip(given, text).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    func remove() { unlink(path) }
}
