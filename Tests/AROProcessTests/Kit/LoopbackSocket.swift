/// A TCP connection over the loopback interface, by plain blocking calls, and as much of HTTP/1.1 as a
/// stub needs.

import Foundation

final class LoopbackSocket: @unchecked Sendable {
    private let descriptor: Int32

    struct Request {
        var path: String
        var body: Data
    }

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Connects to a port of this machine.
    convenience init(port: UInt16) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno)!) }
        self.init(descriptor)
        let result = Self.withAddress(port) { connect(descriptor, $0, $1) }
        guard result == 0 else { throw POSIXError(.init(rawValue: errno)!) }
    }

    deinit { close(descriptor) }

    /// A listener on a port that the system chooses.
    static func listen() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withAddress(0) { bind(descriptor, $0, $1) } == 0
        let isNamed = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size)
            }
        }
        guard isBound, isNamed == 0, Foundation.listen(descriptor, 128) == 0 else {
            throw POSIXError(.init(rawValue: errno)!)
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    private static func withAddress<R>(
        _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Says nothing more and reads nothing more.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    // MARK: - Bytes

    /// False where nobody takes it.
    func send(_ text: String) -> Bool {
        var left = Array(text.utf8)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            left = left.dropFirst(count)
        }
        return true
    }

    /// The next bytes, whatever comes; empty at the end.
    func some() -> [UInt8] {
        var space = [UInt8](repeating: 0, count: 64 << 10)
        return Array(space[..<max(0, recv(descriptor, &space, space.count, 0))])
    }

    /// Whether the other side hangs up within so long. It is not to say anything.
    func hangsUp(within span: Duration) -> Bool {
        let end = ContinuousClock.now + span
        repeat {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = (end - .now) / .milliseconds(1)
            let count = poll(&entry, 1, Int32(max(0, min(left.rounded(.up), 1_000))))
            if count > 0 { return true }
        } while ContinuousClock.now < end
        return false
    }

    // MARK: - HTTP

    /// The next request; nil at the end. `held` is what came behind the last one.
    func request(_ held: inout [UInt8]) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let head = Data(held).range(of: Data(end)) {
                let lines = String(decoding: held[..<head.lowerBound], as: UTF8.self)
                    .components(separatedBy: "\r\n")
                let words = lines[0].split(separator: " ")
                let length = lines.compactMap { line -> Int? in
                    let parts = line.split(separator: ":")
                    guard parts.count == 2, parts[0].lowercased() == "content-length" else {
                        return nil
                    }
                    return Int(parts[1].trimmingCharacters(in: .whitespaces))
                }
                let size = head.upperBound + (length.first ?? 0)
                guard words.count >= 2 else { return nil }
                if held.count >= size {
                    let body = Data(held[head.upperBound..<size])
                    held.removeFirst(size)
                    return Request(path: String(words[1]), body: body)
                }
            }
            let bytes = some()
            guard !bytes.isEmpty else { return nil }
            held += bytes
        }
    }

    func send(json: [String: Any], status: Int = 200) -> Bool {
        guard let body = try? JSONSerialization.data(withJSONObject: json) else { return false }
        return send(
            "HTTP/1.1 \(status) Said\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.count)\r\n\r\n" + String(decoding: body, as: UTF8.self))
    }

    /// An event of a stream in a chunk of its own.
    func send(event: String) -> Bool {
        let text = "data: \(event)\n\n"
        return send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
    }
}
