/// The sending side of one UDP socket: a run of packets is one `sendmsg` with UDP_SEGMENT.
///
/// NIO reads the socket; writes go to the descriptor itself, for two reasons. NIO closes a datagram
/// channel on every error of a send but two, and a stranger can cause such errors at will by naming
/// an address that has no route from here (ENETUNREACH): here an error costs the run that met it,
/// and is counted. And the run leaves from the outbox's own buffer, without a copy or an
/// allocation. Confined to the loop's thread.

import AROPrimitives
import Glibc
import NIOCore

final class UDPPort {
    let socket: UDPSocket
    private(set) var counters = UDPCounters()
    private var isOpen = true
    private var usesSegmentation: Bool
    private var waiting = SendQueue()

    init(_ socket: UDPSocket) {
        self.socket = socket
        usesSegmentation = socket.hasSegmentation
    }

    /// Whether runs wait for space in the kernel's buffer; call ``retry()`` after a moment.
    var isBlocked: Bool { !waiting.isEmpty }

    /// NIO closed the descriptor: its number may belong to someone else by now.
    func closed() {
        isOpen = false
        waiting.removeAll()
    }

    /// Sends a run, or keeps it for ``retry()``, or drops and counts it.
    func send(_ bytes: UnsafeRawBufferPointer, segment: Int, to address: SocketAddress) {
        guard isOpen else { return counters.count(.closed, packets(bytes, segment)) }
        guard waiting.isEmpty else { return enqueue(bytes, segment, address) }
        let sent = transmit(bytes, segment, address)
        if sent < bytes.count {
            enqueue(UnsafeRawBufferPointer(rebasing: bytes[sent...]), segment, address)
        }
    }

    /// Sends what waits, as far as the kernel takes it.
    func retry() {
        while isOpen, let next = waiting.first {
            let sent = next.bytes.withUnsafeBytes { transmit($0, next.segment, next.address) }
            guard sent == next.bytes.count else { return waiting.dropPrefix(sent) }
            waiting.removeFirst()
        }
    }

    private func enqueue(
        _ bytes: UnsafeRawBufferPointer, _ segment: Int, _ address: SocketAddress
    ) {
        if !waiting.append(bytes, segment: segment, to: address) {
            counters.count(.queueFull, packets(bytes, segment))
        }
    }

    private func packets(_ bytes: UnsafeRawBufferPointer, _ segment: Int) -> Int {
        (bytes.count + segment - 1) / segment
    }
}

// MARK: - System calls

extension UDPPort {
    /// Returns how many bytes are dealt with, sent or dropped; less than all where the kernel's
    /// buffer is full.
    private func transmit(
        _ bytes: UnsafeRawBufferPointer, _ segment: Int, _ address: SocketAddress
    ) -> Int {
        var storage = sockaddr_storage()
        guard let length = address.write(to: &storage, family: socket.family) else {
            counters.count(.unreachable, packets(bytes, segment))
            return bytes.count
        }
        return withUnsafeMutablePointer(to: &storage) { name in
            if bytes.count > segment, usesSegmentation {
                switch system(bytes, segment, name, length) {
                case .sent, .dropped: return bytes.count
                case .blocked: return 0
                case .notSegmented: break
                }
            }
            return transmitOneByOne(bytes, segment, name, length)
        }
    }

    private func transmitOneByOne(
        _ bytes: UnsafeRawBufferPointer, _ segment: Int,
        _ name: UnsafeMutablePointer<sockaddr_storage>, _ length: socklen_t
    ) -> Int {
        var start = 0
        while start < bytes.count {
            let end = min(start + segment, bytes.count)
            let packet = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            if system(packet, packet.count, name, length) == .blocked { return start }
            start = end
        }
        return bytes.count
    }

    private enum Outcome { case sent, blocked, dropped, notSegmented }

    private func system(
        _ bytes: UnsafeRawBufferPointer, _ segment: Int,
        _ name: UnsafeMutablePointer<sockaddr_storage>, _ length: socklen_t
    ) -> Outcome {
        let isRun = bytes.count > segment
        // A second try, because an error of an earlier send may be reported by this one.
        for attempt in 0..<2 {
            if sendMessage(bytes, isRun ? segment : nil, name, length) {
                counters.sent(bytes: bytes.count, packets: packets(bytes, segment))
                return .sent
            }
            switch errno {
            case EAGAIN, EWOULDBLOCK, ENOBUFS: return .blocked
            case EINTR: continue
            case ECONNREFUSED where attempt == 0: continue
            case EIO where isRun:
                usesSegmentation = false  // the device cannot compute checksums for segments
                return .notSegmented
            case EINVAL where isRun, EMSGSIZE where isRun: return .notSegmented
            case EMSGSIZE: counters.count(.tooLarge, packets(bytes, segment))
            case ECONNREFUSED: counters.count(.refused, packets(bytes, segment))
            default: counters.count(.unreachable, packets(bytes, segment))
            }
            return .dropped
        }
        counters.count(.refused, packets(bytes, segment))
        return .dropped
    }

    private func sendMessage(
        _ bytes: UnsafeRawBufferPointer, _ segment: Int?,
        _ name: UnsafeMutablePointer<sockaddr_storage>, _ length: socklen_t
    ) -> Bool {
        var vector = iovec(
            iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        var control = SegmentControl(segment: segment ?? 0)
        return withUnsafeMutablePointer(to: &vector) { vector in
            withUnsafeMutableBytes(of: &control) { control in
                var message = msghdr()
                message.msg_name = UnsafeMutableRawPointer(name)
                message.msg_namelen = length
                message.msg_iov = vector
                message.msg_iovlen = 1
                if segment != nil {
                    message.msg_control = control.baseAddress
                    message.msg_controllen = control.count
                }
                return sendmsg(socket.descriptor, &message, Int32(MSG_NOSIGNAL)) >= 0
            }
        }
    }
}

/// One control message of type UDP_SEGMENT: `struct cmsghdr` and a 16-bit number, padded to the
/// alignment of CMSG_SPACE on 64-bit Linux (cmsg(3)).
private struct SegmentControl {
    var byteCount: UInt = 18
    var level: Int32 = SystemOption.udp
    var type: Int32 = SystemOption.udpSegment
    var segment: UInt16
    var padding: (UInt16, UInt32) = (0, 0)

    init(segment: Int) { self.segment = UInt16(segment) }
}

// MARK: - The queue

/// Runs that wait for space in the kernel's buffer, oldest first, bounded in bytes.
struct SendQueue {
    struct Entry {
        var address: SocketAddress
        var segment: Int
        var bytes: [UInt8]
    }

    /// About 60 ms of a gigabit link; more would only be delay that the congestion control must
    /// take for the path's. A guess.
    static let bytesMax = 8 << 20

    private var entries: [Entry] = []
    private var head = 0
    private(set) var byteCount = 0

    var isEmpty: Bool { head == entries.count }
    var first: Entry? { isEmpty ? nil : entries[head] }

    /// False where the run does not fit any more.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer, segment: Int, to address: SocketAddress
    ) -> Bool {
        guard byteCount + bytes.count <= Self.bytesMax else { return false }
        entries.append(Entry(address: address, segment: segment, bytes: [UInt8](bytes)))
        byteCount += bytes.count
        return true
    }

    mutating func removeFirst() {
        byteCount -= entries[head].bytes.count
        entries[head].bytes = []
        head += 1
        if head == entries.count { removeAll() }
    }

    /// The first entry's packets before `count` bytes are dealt with.
    mutating func dropPrefix(_ count: Int) {
        guard count > 0 else { return }
        entries[head].bytes.removeFirst(count)
        byteCount -= count
    }

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        (head, byteCount) = (0, 0)
    }
}

// MARK: - Counters

/// What one socket sent and received, and what it dropped and why.
public struct UDPCounters: Hashable, Sendable {
    public enum Drop: Int, Sendable, CaseIterable {
        /// The datagram exceeds the link's MTU: expected of path MTU probes.
        case tooLarge
        case unreachable
        case refused
        /// The kernel's buffer and the queue behind it were full.
        case queueFull
        case closed
        /// No socket of this node can reach that kind of address.
        case noSocket
    }

    public private(set) var datagramsOut: UInt64 = 0
    public private(set) var bytesOut: UInt64 = 0
    /// System calls that sent something: with offload far fewer than datagrams.
    public private(set) var sends: UInt64 = 0
    public private(set) var drops = [UInt64](repeating: 0, count: Drop.allCases.count)

    public init() {}

    public func drops(_ reason: Drop) -> UInt64 { drops[reason.rawValue] }

    mutating func sent(bytes: Int, packets: Int) {
        sends += 1
        datagramsOut += UInt64(packets)
        bytesOut += UInt64(bytes)
    }

    mutating func count(_ reason: Drop, _ packets: Int) {
        drops[reason.rawValue] += UInt64(packets)
    }

    static func + (a: UDPCounters, b: UDPCounters) -> UDPCounters {
        var sum = a
        sum.datagramsOut += b.datagramsOut
        sum.bytesOut += b.bytesOut
        sum.sends += b.sends
        for i in sum.drops.indices { sum.drops[i] += b.drops[i] }
        return sum
    }
}
