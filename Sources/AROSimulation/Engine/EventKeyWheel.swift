/// What an agenda has pending for the next seconds, by the millisecond and in no order within it: a
/// timing wheel (Varghese and Lauck 1987).
///
/// Ticks are counted from the origin. The wheel holds those of one turn from ``begin`` on; the keys of
/// a tick lie in a list of chunks, each some cache lines, so that they are added and taken in a row.

struct EventKeyWheel: ~Copyable {
    private struct Chunk {
        typealias Keys = InlineArray<15, UInt128>

        /// Of the chunk that was full before it, or the next free one; negative for none.
        var next: Int32
        var count: Int32
        var keys: Keys
    }

    /// 2^20 ns.
    private static var tickBits: UInt64 { 20 }
    static var tickCount: Int { 1 << 11 }

    /// The first tick that the wheel can hold.
    private(set) var begin: UInt64 = 0
    private(set) var count = 0
    /// The chunk of each tick that is being filled; negative for none.
    private let heads: UnsafeMutablePointer<Int32>
    /// A bit for each tick that holds something.
    private let marks: UnsafeMutablePointer<UInt64>
    private var chunks: UnsafeMutablePointer<Chunk>
    private var chunkCapacity = 16
    private var chunksUsed = 0
    private var firstFree: Int32 = -1

    init() {
        heads = .allocate(capacity: Self.tickCount)
        heads.initialize(repeating: -1, count: Self.tickCount)
        marks = .allocate(capacity: Self.tickCount / 64)
        marks.initialize(repeating: 0, count: Self.tickCount / 64)
        chunks = .allocate(capacity: chunkCapacity)
    }

    deinit {
        heads.deallocate()
        marks.deallocate()
        chunks.deallocate()
    }

    var byteCount: Int {
        chunkCapacity * MemoryLayout<Chunk>.stride + Self.tickCount * 4 + Self.tickCount / 8
    }

    static func tick(of key: UInt128) -> UInt64 {
        UInt64(truncatingIfNeeded: key >> 64) >> tickBits
    }

    /// Whether a key's time is within the turn, and not before it.
    func holds(_ key: UInt128) -> Bool {
        Self.tick(of: key) &- begin < UInt64(Self.tickCount)
    }

    /// Adds a key that it ``holds(_:)``.
    mutating func push(_ key: UInt128) {
        let place = Int(Self.tick(of: key)) & (Self.tickCount - 1)
        var head = heads[place]
        if head < 0 || chunks[Int(head)].count == Chunk.Keys.count {
            head = takeChunk(before: head)
            heads[place] = head
            marks[place >> 6] |= 1 << UInt64(place & 63)
        }
        let filled = chunks[Int(head)].count
        chunks[Int(head)].keys[Int(filled)] = key
        chunks[Int(head)].count = filled + 1
        count += 1
    }

    /// Takes the keys of the first tick that has any to `heap`, and begins behind that tick. There must
    /// be one.
    mutating func popTick(into heap: inout EventKeyHeap) {
        let place = firstPlace()
        let start = Int(begin) & (Self.tickCount - 1)
        begin += UInt64((place - start) & (Self.tickCount - 1)) + 1
        var next = heads[place]
        heads[place] = -1
        marks[place >> 6] &= ~(1 << UInt64(place & 63))
        while next >= 0 {
            let chunk = chunks + Int(next)
            for i in 0..<Int(chunk.pointee.count) { heap.push(chunk.pointee.keys[i]) }
            count -= Int(chunk.pointee.count)
            let freed = next
            next = chunk.pointee.next
            chunk.pointee.next = firstFree
            firstFree = freed
        }
    }

    /// Begins with the tick of a key; the wheel must be empty, and not be turned back.
    mutating func turn(to key: UInt128) {
        assert(count == 0 && Self.tick(of: key) >= begin)
        begin = Self.tick(of: key)
    }

    /// Hands out all keys.
    func forEach(_ body: (UInt128) -> Void) {
        for place in 0..<Self.tickCount {
            var next = heads[place]
            while next >= 0 {
                for i in 0..<Int(chunks[Int(next)].count) { body(chunks[Int(next)].keys[i]) }
                next = chunks[Int(next)].next
            }
        }
    }

    private func firstPlace() -> Int {
        let start = Int(begin) & (Self.tickCount - 1)
        var word = start >> 6
        var bits = marks[word] & (~0 << UInt64(start & 63))
        while bits == 0 {
            word = (word + 1) & (Self.tickCount / 64 - 1)
            bits = marks[word]
        }
        return word << 6 + bits.trailingZeroBitCount
    }

    private mutating func takeChunk(before full: Int32) -> Int32 {
        if firstFree < 0 {
            if chunksUsed == chunkCapacity { grow() }
            chunksUsed += 1
            (chunks + chunksUsed - 1).initialize(
                to: Chunk(next: full, count: 0, keys: InlineArray(repeating: 0)))
            return Int32(chunksUsed - 1)
        }
        let taken = firstFree
        firstFree = chunks[Int(taken)].next
        chunks[Int(taken)].next = full
        chunks[Int(taken)].count = 0
        return taken
    }

    private mutating func grow() {
        chunkCapacity *= 2
        let bigger = UnsafeMutablePointer<Chunk>.allocate(capacity: chunkCapacity)
        bigger.moveInitialize(from: chunks, count: chunksUsed)
        chunks.deallocate()
        chunks = bigger
    }
}
