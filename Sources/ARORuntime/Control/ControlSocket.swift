/// Where the control channel is, and who may use it: a Unix domain socket in the data directory that
/// only its owner can open, and on which only the owner's processes (and root's) are heard.

import AROCrypto
import AROPrimitives
import Glibc

package struct ControlSocket: Hashable, Sendable {
    /// `sun_path` holds 108 bytes with the closing zero (unix(7)).
    static let pathBytesMax = 107

    package let path: String

    /// The socket of the node with this data directory: `control.sock` there, or, where that path is
    /// longer than a socket's may be, one named by its hash in `XDG_RUNTIME_DIR` or in `/tmp`.
    package init(
        dataDirectory: String, environment: (String) -> String? = StandardPaths.variable
    ) {
        let natural = dataDirectory + "/control.sock"
        guard natural.utf8.count > Self.pathBytesMax else {
            path = natural
            return
        }
        let digest = Hex.encode(SHA256Digest.of(Array(dataDirectory.utf8).span.bytes).bytes)
        let runtime = environment("XDG_RUNTIME_DIR").flatMap {
            $0.hasPrefix("/") && $0.utf8.count <= 40 ? $0 + "/aro" : nil
        }
        path = (runtime ?? "/tmp/aro-\(geteuid())") + "/\(digest.prefix(32)).sock"
    }

    /// A listening socket with mode 0600. The caller holds the data directory's lock, so what lies
    /// in the way is what a node that ended left behind.
    func listen() throws(SystemFailure) -> Int32 {
        try prepareDirectory()
        let descriptor = try Self.open()
        do throws(SystemFailure) {
            unlink(path)
            // On Linux the file that bind makes takes the mode that the socket has before.
            guard fchmod(descriptor, 0o600) == 0 else {
                throw SystemFailure("close \(path) to others")
            }
            try withAddress { address, length throws(SystemFailure) in
                guard bind(descriptor, address, length) == 0 else {
                    throw SystemFailure("make the control socket \(path)")
                }
            }
            guard Glibc.listen(descriptor, 64) == 0 else {
                throw SystemFailure("listen on the control socket \(path)")
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A connected socket, blocking; nil where no node listens.
    package func connect() throws(SystemFailure) -> Int32? {
        let descriptor = try Self.open()
        var code: Int32 = 0
        try withAddress { address, length in
            while Glibc.connect(descriptor, address, length) != 0 {
                code = errno
                if code != EINTR { return }
                code = 0
            }
        }
        guard code != 0 else { return descriptor }
        close(descriptor)
        switch code {
        case ENOENT, ECONNREFUSED, ENOTDIR: return nil
        default: throw SystemFailure("reach the node at \(path)", code: code)
        }
    }

    private static func open() throws(SystemFailure) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemFailure("open a control socket") }
        return descriptor
    }

    /// Only for sockets outside of the data directory: others may have made the directory first.
    private func prepareDirectory() throws(SystemFailure) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let directory = String(path[..<slash])
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw SystemFailure("make the directory \(directory)")
        }
        var status = stat()
        guard lstat(directory, &status) == 0 else { throw SystemFailure("look at \(directory)") }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw SystemFailure("trust \(directory), which others can write to", code: EPERM)
        }
    }

    private func withAddress(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemFailure) -> Void
    ) throws(SystemFailure) {
        guard path.utf8.count <= Self.pathBytesMax else {
            throw SystemFailure("use the control socket \(path)", code: ENAMETOOLONG)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                address -> Result<Void, SystemFailure> in
                do throws(SystemFailure) {
                    return .success(try body(address, length))
                } catch { return .failure(error) }
            }
        }
        try result.get()
    }
}

/// `struct ucred` (unix(7), SO_PEERCRED): who is at the other end, as the kernel says.
struct PeerCredentials: BitwiseCopyable, Sendable {
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0

    static let option: Int32 = 17

    /// The owner of this process, or root, who could take everything anyway.
    var isTrusted: Bool { user == geteuid() || user == 0 }
}
