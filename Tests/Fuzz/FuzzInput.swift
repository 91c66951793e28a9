/// Bytes of a fuzzer as a row of decisions. Reading never fails: after the end everything is zero,
/// so that every input means something and a shorter one means nearly the same.

import AROPrimitives

struct FuzzInput {
    let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    mutating func byte() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func flag() -> Bool { byte() & 1 == 1 }

    /// A number below `bound`, which is at most 65,536.
    mutating func below(_ bound: Int) -> Int {
        let low = Int(byte())
        return bound <= 256 ? low % bound : (low << 8 | Int(byte())) % bound
    }

    /// A number of 62 bits, most often small, at a power of two or at the upper end.
    mutating func number() -> UInt64 {
        let first = byte()
        let low = UInt64(first & 63)
        switch first >> 6 {
        case 0: return low
        case 1: return low << 8 | UInt64(byte())
        case 2: return ((1 << min(low, 61)) &- UInt64(byte() & 3)) & ((1 << 62) - 1)
        default: return (1 << 62) - 1 - low
        }
    }

    /// Up to `most` bytes, preceded by their count.
    mutating func run(_ most: Int) -> [UInt8] {
        let count = min(below(most + 1), bytes.count - offset)
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    mutating func rest() -> [UInt8] {
        defer { offset = bytes.count }
        return Array(bytes[min(offset, bytes.count)...])
    }
}

/// A property that the code under test has broken: stops like any other trap, with words.
func check(_ condition: Bool, _ words: @autoclosure () -> String) {
    guard !condition else { return }
    fatalError("broken property: \(words())")
}
