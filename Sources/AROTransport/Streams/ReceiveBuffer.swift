/// The receiving half of a stream: bytes in any order into one ring, out of it in order (RFC 9000
/// §2.2).
///
/// Every frame's bytes are copied once, to their place; the reader gets them in place, as one or
/// two spans. The ring grows by doubling up to the flow-control window, and is given back when all
/// was read. Its memory is not cleared, so a byte sent to the far end of the window makes the
/// kernel back one page and not the window. Only ranges that arrived are ever read.

import AROPrimitives

struct ReceiveBuffer {
    private var ring: [UInt8] = []
    /// What arrived and was not read, at or above ``consumed``.
    private var present = RangeSet()
    /// Bytes that the reader took.
    private(set) var consumed: UInt64 = 0
    /// The end of the highest byte that arrived: what counts for flow control.
    private(set) var highest: UInt64 = 0
    private(set) var finalSize: UInt64?

    /// The smallest ring; a guess: a request or an answer of a few packets.
    private static let ringMin = 4_096
    /// The largest ring that an empty stream keeps; a guess: one GRO batch of 64 packets.
    private static let ringKept = 128 << 10

    /// Bytes that can be read now.
    var readable: Int {
        guard let first = present.first, first.lowerBound == consumed else { return 0 }
        return first.count
    }

    var holes: Int { present.count }
    /// Everything up to the final size was read.
    var isFinished: Bool { finalSize == consumed }
    /// There is something to tell the reader.
    var hasNews: Bool { readable > 0 || isFinished }
    /// Bytes of memory held.
    var byteCount: Int { ring.count }

    /// Checks a frame against the final size and says by how much it raises ``highest``.
    func growth(to end: UInt64, isLast: Bool) throws(Violation) -> UInt64 {
        if let finalSize, end > finalSize || (isLast && end != finalSize) {
            throw Violation(.finalSize, "stream data beyond its end")
        }
        if isLast, end < highest { throw Violation(.finalSize, "stream ends below its data") }
        return end > highest ? end - highest : 0
    }

    /// Takes a frame that passed ``growth(to:isLast:)`` and flow control.
    mutating func received(_ bytes: RawSpan, at offset: UInt64, isLast: Bool) {
        let end = offset + UInt64(bytes.byteCount)
        highest = max(highest, end)
        if isLast { finalSize = end }
        let start = max(offset, consumed)
        guard start < end else { return }
        makeRoom(for: Int(highest - consumed))
        bytes.withUnsafeBytes {
            copyIn(UnsafeRawBufferPointer(rebasing: $0[Int(start - offset)...]), at: start)
        }
        present.insert(start..<end)
    }

    /// The bytes do not matter any more, their count does: RESET_STREAM, or a reader that stopped.
    mutating func received(finalSize size: UInt64) {
        finalSize = size
        highest = max(highest, size)
    }

    mutating func received(discarding end: UInt64, isLast: Bool) {
        highest = max(highest, end)
        if isLast { finalSize = end }
    }

    /// Drops all data; returns how many bytes were received and not read.
    mutating func discard() -> UInt64 {
        defer { consumed = highest }
        present.removeAll()
        ring = []
        return highest - consumed
    }

    /// Hands at most `count` bytes in order to `body`, in one call or two. Returns how many.
    mutating func read(atMost count: Int, _ body: (RawSpan) -> Void) -> Int {
        let count = min(count, readable)
        guard count > 0 else { return 0 }
        let start = position(consumed)
        let head = min(count, ring.count - start)
        body(ring.span.bytes.extracting(start..<start + head))
        if head < count { body(ring.span.bytes.extracting(0..<count - head)) }
        consumed += UInt64(count)
        present.removeBelow(consumed)
        if present.isEmpty, ring.count > Self.ringKept { ring = [] }
        return count
    }

    private func position(_ offset: UInt64) -> Int {
        Int(truncatingIfNeeded: offset) & (ring.count - 1)
    }

    private mutating func copyIn(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        let start = position(offset)
        let head = min(bytes.count, ring.count - start)
        ring.withUnsafeMutableBytes { ring in
            (ring.baseAddress! + start).copyMemory(from: bytes.baseAddress!, byteCount: head)
            guard head < bytes.count else { return }
            ring.baseAddress!
                .copyMemory(from: bytes.baseAddress! + head, byteCount: bytes.count - head)
        }
    }

    private mutating func makeRoom(for count: Int) {
        guard count > ring.count else { return }
        var size = max(ring.count, Self.ringMin)
        while size < count { size *= 2 }
        let old = ring
        ring = [UInt8](unsafeUninitializedCapacity: size) { _, initialized in initialized = size }
        for i in 0..<present.count { move(present[i], from: old) }
    }

    private mutating func move(_ range: Range<UInt64>, from old: [UInt8]) {
        old.withUnsafeBytes { bytes in
            let start = Int(truncatingIfNeeded: range.lowerBound) & (old.count - 1)
            let head = min(range.count, old.count - start)
            copyIn(
                UnsafeRawBufferPointer(rebasing: bytes[start..<start + head]),
                at: range.lowerBound)
            guard head < range.count else { return }
            copyIn(
                UnsafeRawBufferPointer(rebasing: bytes[0..<range.count - head]),
                at: range.lowerBound + UInt64(head))
        }
    }
}
