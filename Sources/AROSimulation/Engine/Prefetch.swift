/// A world of many nodes is larger than every cache, and each event is another node's: without help
/// its work is to wait for memory, a hundred nanoseconds for each line. But the agenda knows who comes
/// next. So while one node is at work the processor is told to fetch the next one's memory. This
/// changes nothing but time.

import CPrefetch

enum Prefetch {
    private static let lineByteCount = 64

    /// Asks for so many bytes to be near; reads nothing.
    @inline(__always)
    static func ask(_ start: UnsafeRawPointer, _ byteCount: Int) {
        var offset = 0
        while offset < byteCount {
            aro_prefetch(start + offset)
            offset += lineByteCount
        }
    }
}
