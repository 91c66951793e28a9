/// Tables of many peers are larger than every cache, and who comes next is where chance put him: without
/// help the work is to wait for memory, a hundred nanoseconds for each line. But often it is known
/// beforehand which lines will be wanted: the processor is told to fetch them all at once. This changes
/// nothing but time.

import CPrefetch

public enum Prefetch {
    /// In which order a value with arrays is asked for: how much of one there is must be read, so its
    /// head is asked for first.
    public enum Part: Sendable { case head, whole }

    @usableFromInline package static var lineByteCount: Int { 64 }

    /// Asks for so many bytes to be near; reads nothing.
    @inlinable @inline(__always)
    package static func ask(_ start: UnsafeRawPointer, _ byteCount: Int) {
        var offset = 0
        while offset < byteCount {
            aro_prefetch(start + offset)
            offset += lineByteCount
        }
    }
}

extension Array {
    /// Asks for the elements or, first, for what says how many there are.
    @inlinable @inline(__always)
    package func prefetch(_ part: Prefetch.Part) {
        switch part {
        case .head:
            let storage = unsafeBitCast(self, to: UInt.self)
            Prefetch.ask(UnsafeRawPointer(bitPattern: storage)!, 1)
        case .whole:
            if !isEmpty { withUnsafeBytes { Prefetch.ask($0.baseAddress!, $0.count) } }
        }
    }
}
