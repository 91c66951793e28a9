/// Tables of many peers are larger than every cache, and who comes next is where chance put him: without
/// help the work is to wait for memory, a hundred nanoseconds for each line. But often it is known
/// beforehand which lines will be wanted: the processor is told to fetch them all at once. This changes
/// nothing but time.

import CPrefetch

package enum Prefetch {
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
