/// A connection on which anything can be said, well formed or not.

import Foundation
import Glibc

final class RawClient: @unchecked Sendable {
    private let descriptor: Int32

    struct Unreachable: Error {}

    init(port: UInt16, seconds: Int = 30) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Unreachable() }
    }

    deinit { close(descriptor) }

    /// Says nothing more, and reads nothing more.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// What comes until the other side closes; nil where it does not within the time.
    func untilClosed() async -> String? {
        await onThread { [descriptor] in
            var all: [UInt8] = []
            var space = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = recv(descriptor, &space, space.count, 0)
                if count < 0, errno == EAGAIN { return nil }
                guard count > 0 else { return String(decoding: all, as: UTF8.self) }
                all += space[..<count]
            }
        }
    }

    /// The next bytes, whatever comes; empty at the end, nil where nothing comes in time.
    func some() async -> String? {
        await onThread { [descriptor] in
            var space = [UInt8](repeating: 0, count: 64 << 10)
            let count = recv(descriptor, &space, space.count, 0)
            if count < 0, errno == EAGAIN { return nil }
            return String(decoding: space[..<max(0, count)], as: UTF8.self)
        }
    }

    private func onThread<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: work()) }
        }
    }
}
