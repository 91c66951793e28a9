/// The sending half of a stream: segments kept by reference until acknowledged, what is lost, what
/// is new.
///
/// A segment is an array as the writer gave it; its bytes are copied only into packets. Small
/// writes are gathered, so that a thousand tokens are not a thousand segments.

import AROPrimitives

struct SendBuffer {
    private struct Segment {
        var start: UInt64
        var bytes: [UInt8]
        var end: UInt64 { start + UInt64(bytes.count) }
    }

    /// Where the stream stands; after ``resetting`` no data goes any more.
    enum State: UInt8 { case open, finishing, finished, resetting, closed }

    /// Writes below this join the segment before, up to this. A guess: a few packets.
    private static let gatherMax = 4_096

    private var segments = Ring(filler: Segment(start: 0, bytes: []))
    /// Bytes written by the owner, sent at least once, and acknowledged without a gap.
    private(set) var written: UInt64 = 0
    private(set) var sent: UInt64 = 0
    private(set) var ackedBelow: UInt64 = 0
    private var acked = RangeSet()
    private var lost = RangeSet()
    /// How far the peer lets us send.
    private(set) var credit: UInt64
    private(set) var state = State.open
    private var isLastDue = false
    private var isLastAcked = false
    private(set) var resetCode: UInt64 = 0

    init(credit: UInt64) { self.credit = credit }

    var unsent: Int { Int(written - sent) }
    /// All that was promised has arrived, or was taken back and the peer knows.
    var isDone: Bool { state == .closed || state == .finished }
    var takesData: Bool { state == .open }

    mutating func write(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if let last = segments.isEmpty ? nil : segments.count - 1,
            segments[last].bytes.count + bytes.count <= Self.gatherMax
        {
            segments[last].bytes.append(contentsOf: bytes)
        } else {
            segments.append(Segment(start: written, bytes: bytes))
        }
        written += UInt64(bytes.count)
    }

    mutating func finish() {
        guard state == .open else { return }
        state = .finishing
        isLastDue = true
    }

    /// Takes back what was not delivered. Returns whether a RESET_STREAM is due.
    mutating func reset(code: UInt64) -> Bool {
        guard state == .open || state == .finishing else { return false }
        state = .resetting
        resetCode = code
        segments.removeAll()
        lost.removeAll()
        isLastDue = false
        return true
    }

    mutating func resetAcknowledged() {
        if state == .resetting { state = .closed }
    }

    mutating func raiseCredit(to limit: UInt64) { credit = max(credit, limit) }

    // MARK: Sending

    /// Whether a STREAM frame can go, if the connection has credit for so many new bytes.
    func hasWork(connectionCredit: UInt64) -> Bool {
        guard state == .open || state == .finishing else { return false }
        if !lost.isEmpty { return true }
        if sent < written { return sent < credit && connectionCredit > 0 }
        return isLastDue
    }

    /// Where the next STREAM frame begins.
    var nextOffset: UInt64 { lost.first?.lowerBound ?? sent }

    /// What the next STREAM frame of at most `capacity` bytes holds: lost bytes before new ones.
    func nextRange(capacity: Int, connectionCredit: UInt64) -> (range: Range<UInt64>, isLast: Bool)
    {
        let start = nextOffset
        var end = lost.first?.upperBound ?? min(written, credit, sent &+ connectionCredit)
        end = min(max(end, start), start + UInt64(capacity))
        return (start..<end, (state == .finishing) && end == written)
    }

    /// Copies a range, which must be buffered, into `target`.
    func copy(_ range: Range<UInt64>, into target: UnsafeMutableRawBufferPointer) {
        guard !range.isEmpty else { return }
        var offset = range.lowerBound
        var index = segmentIndex(of: offset)
        while offset < range.upperBound {
            let segment = segments[index]
            let count = Int(min(segment.end, range.upperBound) - offset)
            let from = Int(offset - segment.start)
            segment.bytes.withUnsafeBytes {
                (target.baseAddress! + Int(offset - range.lowerBound))
                    .copyMemory(from: $0.baseAddress! + from, byteCount: count)
            }
            offset += UInt64(count)
            index += 1
        }
    }

    private func segmentIndex(of offset: UInt64) -> Int {
        var low = 0
        var high = segments.count - 1
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].end > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// A frame left. Returns how many of its bytes were new.
    mutating func frameSent(_ range: Range<UInt64>, isLast: Bool) -> UInt64 {
        lost.remove(range)
        if isLast { isLastDue = false }
        guard range.upperBound > sent else { return 0 }
        defer { sent = range.upperBound }
        return range.upperBound - sent
    }

    // MARK: What became of it

    mutating func acknowledged(_ range: Range<UInt64>, isLast: Bool) {
        guard state == .open || state == .finishing else { return }
        lost.remove(range)
        if range.lowerBound <= ackedBelow {
            ackedBelow = max(ackedBelow, range.upperBound)
            while let first = acked.first, first.lowerBound <= ackedBelow {
                ackedBelow = max(ackedBelow, acked.removeFirst().upperBound)
            }
            releaseSegments()
        } else {
            acked.insert(range)
        }
        if isLast {
            isLastDue = false
            isLastAcked = true
        }
        if state == .finishing, isLastAcked, ackedBelow == written { state = .finished }
    }

    private mutating func releaseSegments() {
        while let first = segments.first, first.end <= ackedBelow { segments.removeFirst() }
    }

    mutating func lost(_ range: Range<UInt64>, isLast: Bool) {
        guard state == .open || state == .finishing else { return }
        let start = max(range.lowerBound, ackedBelow)
        if start < range.upperBound { lost.insert(start..<range.upperBound, except: acked) }
        if isLast, !isLastAcked { isLastDue = true }
    }
}
