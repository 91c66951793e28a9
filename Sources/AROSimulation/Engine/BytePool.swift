/// Memory for datagrams in flight: blocks of powers of two, cut from chunks, kept on free lists, so
/// that a datagram costs a few nanoseconds and no reference count.

struct BytePool: ~Copyable {
    private static var leastShift: Int { 6 }
    /// 64 bytes to 64 KiB: any UDP payload fits.
    private static var classCount: Int { 11 }
    private static var chunkByteCount: Int { 1 << 18 }

    /// A free block's first word points to the next free block of its class.
    private var heads = [UnsafeMutableRawPointer?](repeating: nil, count: Self.classCount)
    private var chunks: [UnsafeMutableRawPointer] = []

    init() {}

    var heapByteCount: Int { chunks.count * Self.chunkByteCount }

    deinit { for chunk in chunks { chunk.deallocate() } }

    /// A copy of the bytes; given back by ``free(_:count:)``.
    mutating func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer {
        let block = take(Self.sizeClass(bytes.count))
        if let base = bytes.baseAddress { block.copyMemory(from: base, byteCount: bytes.count) }
        return block
    }

    mutating func free(_ block: UnsafeMutableRawPointer, count: Int) {
        let c = Self.sizeClass(count)
        block.storeBytes(of: heads[c], as: UnsafeMutableRawPointer?.self)
        heads[c] = block
    }

    private static func sizeClass(_ count: Int) -> Int {
        precondition(count <= 1 << (leastShift + classCount - 1), "no UDP payload is that large")
        let shift = Int.bitWidth - (max(count, 1) - 1).leadingZeroBitCount
        return max(0, shift - leastShift)
    }

    private mutating func take(_ c: Int) -> UnsafeMutableRawPointer {
        if heads[c] == nil { addChunk(c) }
        let block = heads[c]!
        heads[c] = block.load(as: UnsafeMutableRawPointer?.self)
        return block
    }

    private mutating func addChunk(_ c: Int) {
        let chunk = UnsafeMutableRawPointer.allocate(
            byteCount: Self.chunkByteCount, alignment: 64)
        chunks.append(chunk)
        let size = 1 << (Self.leastShift + c)
        for offset in stride(from: Self.chunkByteCount - size, through: 0, by: -size) {
            (chunk + offset).storeBytes(of: heads[c], as: UnsafeMutableRawPointer?.self)
            heads[c] = chunk + offset
        }
    }
}
