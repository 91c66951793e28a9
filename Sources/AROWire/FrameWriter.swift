/// Writing frames into the packet that is being built: what ``ByteReader/frame()`` reads.
///
/// Every door answers whether the frame fitted; a frame that does not fit leaves no trace.

import AROPrimitives

package struct FrameWriter {
    private let space: UnsafeMutableRawBufferPointer
    /// Bytes written so far.
    package private(set) var count = 0

    package init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    package var remaining: Int { space.count - count }

    package mutating func ping() -> Bool {
        guard remaining >= 1 else { return false }
        put(FrameType.ping)
        return true
    }

    /// Fills what is left with PADDING.
    package mutating func padToEnd() {
        while remaining > 0 { put(FrameType.padding) }
    }

    package mutating func numbers(_ type: UInt8, _ a: UInt64) -> Bool {
        guard remaining >= 1 + varintByteCount(a) else { return false }
        put(type)
        put(varint: a)
        return true
    }

    package mutating func numbers(_ type: UInt8, _ a: UInt64, _ b: UInt64) -> Bool {
        guard remaining >= 1 + varintByteCount(a) + varintByteCount(b) else { return false }
        put(type)
        put(varint: a)
        put(varint: b)
        return true
    }

    package mutating func numbers(_ type: UInt8, _ a: UInt64, _ b: UInt64, _ c: UInt64) -> Bool {
        let size = 1 + varintByteCount(a) + varintByteCount(b) + varintByteCount(c)
        guard remaining >= size else { return false }
        put(type)
        put(varint: a)
        put(varint: b)
        put(varint: c)
        return true
    }

    /// PATH_CHALLENGE or PATH_RESPONSE.
    package mutating func path(_ type: UInt8, _ token: UInt64) -> Bool {
        guard remaining >= 9 else { return false }
        put(type)
        putU64(token)
        return true
    }

    package mutating func close(code: UInt64, text: [UInt8]) -> Bool {
        let length = min(text.count, WireLimits.closeTextMax)
        let size = 1 + varintByteCount(code) + varintByteCount(UInt64(length)) + length
        guard remaining >= size else { return false }
        put(FrameType.close)
        put(varint: code)
        put(varint: UInt64(length))
        text.withUnsafeBytes { put(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
        return true
    }

    package mutating func datagram(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let size = 1 + varintByteCount(UInt64(bytes.count)) + bytes.count
        guard remaining >= size else { return false }
        put(FrameType.datagram)
        put(varint: UInt64(bytes.count))
        put(bytes)
        return true
    }

    /// An ACK of the highest ranges of `received`, at most `limit`, none below `floor`.
    /// Returns the number of the highest packet in it; nil if not even one range fits.
    package mutating func ack(
        _ received: RangeSet, floor: UInt64, limit: Int, delayMicroseconds: UInt64
    ) -> UInt64? {
        guard let last = received.last else { return nil }
        let lowest = max(received.index(endingAfter: floor), received.count - limit)
        // Room for the head with its widest count, then so many ranges as fit.
        var size = 1 + varintByteCount(last.upperBound - 1) + varintByteCount(delayMicroseconds)
        size += 2 + varintByteCount(UInt64(last.count - 1))
        guard remaining >= size else { return nil }
        var first = received.count - 1
        while first > lowest {
            size += varintByteCount(received[first].lowerBound - received[first - 1].upperBound - 1)
            size += varintByteCount(UInt64(received[first - 1].count - 1))
            guard size <= remaining else { break }
            first -= 1
        }
        put(FrameType.ack)
        put(varint: last.upperBound - 1)
        put(varint: delayMicroseconds)
        put(varint: UInt64(received.count - 1 - first))
        put(varint: UInt64(last.count - 1))
        for i in stride(from: received.count - 2, through: first, by: -1) {
            put(varint: received[i + 1].lowerBound - received[i].upperBound - 1)
            put(varint: UInt64(received[i].count - 1))
        }
        return last.upperBound - 1
    }

    /// How many bytes of a stream fit into a STREAM frame here; negative if not even its head does.
    package func streamCapacity(_ id: UInt64, offset: UInt64) -> Int {
        let head = 1 + varintByteCount(id) + varintByteCount(offset)
        let most = remaining - head - 1
        return most < 64 ? most : most - 1 < 1 << 14 ? most - 1 : most - 3
    }

    /// Writes the head of a STREAM frame and returns where its `length` bytes go, which must be at
    /// most ``streamCapacity(_:offset:)``.
    package mutating func stream(
        _ id: UInt64, offset: UInt64, length: Int, isLast: Bool
    ) -> UnsafeMutableRawBufferPointer {
        put(isLast ? FrameType.streamLast : FrameType.stream)
        put(varint: id)
        put(varint: offset)
        put(varint: UInt64(length))
        precondition(length <= remaining, "a STREAM frame beyond its packet")
        defer { count += length }
        return UnsafeMutableRawBufferPointer(rebasing: space[count..<count + length])
    }

    private mutating func put(_ byte: UInt8) {
        space[count] = byte
        count += 1
    }

    private mutating func put(varint value: UInt64) {
        switch varintByteCount(value) {
        case 1: put(UInt8(value))
        case 2: putU16(UInt16(value) | 1 << 14)
        case 4: putU32(UInt32(value) | 2 << 30)
        default:
            precondition(value <= WireLimits.varintMax, "a variable-length integer holds 62 bits")
            putU64(value | 3 << 62)
        }
    }

    private mutating func putU16(_ value: UInt16) {
        space.storeBytes(of: value.bigEndian, toByteOffset: count, as: UInt16.self)
        count += 2
    }

    private mutating func putU32(_ value: UInt32) {
        space.storeBytes(of: value.bigEndian, toByteOffset: count, as: UInt32.self)
        count += 4
    }

    private mutating func putU64(_ value: UInt64) {
        space.storeBytes(of: value.bigEndian, toByteOffset: count, as: UInt64.self)
        count += 8
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        precondition(bytes.count <= remaining, "bytes beyond their packet")
        (space.baseAddress! + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
}
