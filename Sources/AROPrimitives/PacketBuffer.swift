/// Where the transport writes what is to be sent: one byte buffer and a list of runs.
///
/// A run is a row of packets to one address, each of `segment` bytes but the last, which may be
/// shorter: just what one `sendmsg` with UDP_SEGMENT takes. The driver drains the runs and calls
/// ``removeAll()``, which keeps the capacity, so the steady state allocates nothing.

public struct PacketBuffer: ~Copyable {
    public struct Run: Equatable, Sendable {
        public var address: SocketAddress
        /// Where the run's bytes lie in ``PacketBuffer/bytes``.
        public var start, count: Int
        /// The size of every packet of the run but the last, bytes.
        public var segment: Int

        @inlinable public var packetCount: Int { (count + segment - 1) / segment }
    }

    /// The kernel's limits on one segmented send: UDP_MAX_SEGMENTS and the UDP length field.
    public static let runPacketsMax = 64
    public static let runBytesMax = 65_000

    private static let zeros = [UInt8](repeating: 0, count: 1 << 16)

    public private(set) var bytes: [UInt8] = []
    public private(set) var runs: [Run] = []

    public init() {}

    public var isEmpty: Bool { runs.isEmpty }
    public var packetCount: Int { runs.reduce(0) { $0 + $1.packetCount } }

    public mutating func removeAll() {
        bytes.clear()
        runs.clear()
    }

    /// Appends a packet of at most `capacity` bytes: `write` fills the given space from its start
    /// and returns how many bytes it used; 0 appends nothing.
    ///
    /// Joins the last run where address and size allow. Returns the packet's size in bytes.
    @inlinable @discardableResult
    public mutating func append<E: Error>(
        to address: SocketAddress, capacity: Int,
        _ write: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) -> Int {
        let start = beginPacket(capacity: capacity)
        var used = 0
        do throws(E) {
            used = try withSpace(at: start, count: capacity, write)
        } catch {
            endPacket(at: start, count: 0, to: address)
            throw error
        }
        endPacket(at: start, count: used, to: address)
        return used
    }

    /// Appends a packet that is complete already.
    public mutating func append(_ packet: RawSpan, to address: SocketAddress) {
        let start = bytes.count
        packet.withUnsafeBytes { bytes.append(contentsOf: $0) }
        endPacket(at: start, count: packet.byteCount, to: address)
    }

    @usableFromInline mutating func beginPacket(capacity: Int) -> Int {
        let start = bytes.count
        // A copy of zeros is many times faster than an element repeated.
        bytes.append(contentsOf: Self.zeros[..<capacity])
        return start
    }

    @inlinable mutating func withSpace<E: Error>(
        at start: Int, count: Int,
        _ write: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) -> Int {
        var result: Result<Int, E> = .success(0)
        withUnsafeMutableBytes { (all: UnsafeMutableRawBufferPointer) in
            let space = UnsafeMutableRawBufferPointer(rebasing: all[start..<start + count])
            do throws(E) { result = .success(try write(space)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    @usableFromInline mutating func withUnsafeMutableBytes(
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        bytes.withUnsafeMutableBytes(body)
    }

    @usableFromInline mutating func endPacket(at start: Int, count: Int, to address: SocketAddress)
    {
        bytes.removeLast(bytes.count - start - count)
        guard count > 0 else { return }
        if let last = runs.last, last.address == address, last.count.isMultiple(of: last.segment),
            count <= last.segment, last.packetCount < Self.runPacketsMax,
            last.count + count <= Self.runBytesMax
        {
            runs[runs.count - 1].count += count
        } else {
            runs.append(Run(address: address, start: start, count: count, segment: count))
        }
    }
}
