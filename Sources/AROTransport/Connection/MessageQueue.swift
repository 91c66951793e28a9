/// Unreliable messages that wait for a packet: one byte buffer, bounded, the oldest dropped first.

import AROPrimitives

struct MessageQueue {
    private var bytes: [UInt8] = []
    /// Where in ``bytes`` the waiting messages lie, oldest first.
    private var ranges: Ring<Range<Int>>
    private let countMax: Int
    /// Messages that were pushed out by newer ones.
    private(set) var dropped: UInt64 = 0

    init(countMax: Int) {
        self.countMax = countMax
        ranges = Ring(filler: 0..<0)
    }

    var isEmpty: Bool { ranges.isEmpty }
    var count: Int { ranges.count }

    mutating func append(_ message: RawSpan) {
        if ranges.count == countMax {
            removeFirst()
            dropped += 1
        }
        let start = bytes.count
        bytes.append(message)
        ranges.append(start..<bytes.count)
    }

    /// The size of the oldest message.
    var firstByteCount: Int? { ranges.first?.count }

    func withFirst<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        let range = ranges[0]
        return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    mutating func removeFirst() {
        ranges.removeFirst()
        if ranges.isEmpty {
            bytes.removeAll(keepingCapacity: true)
        } else if ranges[0].lowerBound > bytes.count / 2 {
            compact()
        }
    }

    /// Moves what waits to the front once more than half of the buffer is dead: amortised O(1).
    private mutating func compact() {
        let shift = ranges[0].lowerBound
        bytes.removeFirst(shift)
        for i in 0..<ranges.count {
            ranges[i] = ranges[i].lowerBound - shift..<ranges[i].upperBound - shift
        }
    }
}
