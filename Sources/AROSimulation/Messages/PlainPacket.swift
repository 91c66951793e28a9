/// The packets of a world of messages: those of the transport without their cryptography. Each says
/// how large the real one is, so that links treat them alike and bytes count alike, without that
/// padding is written, copied and read.
///
/// ```
///   0   1  kind, with a bit that says whether the sender serves the DHT
///   1   4  the sender's node
///   5   4  the session: a number drawn by who began it
///   9   2  bytes of the real packet
///  11   n  frames
///
/// Frame     0x31, 2 bytes of length, message
/// ```

import AROPrimitives
import AROTransport
import AROWire

struct PlainPacket {
    enum Kind: UInt8 {
        /// To a peer that is known (Noise IK), with its first message.
        case initiation = 1
        /// To whoever is at an address (Noise XX).
        case dial, response, dialResponse, completion, confirmation, data, close, reset
    }

    static let headerByteCount = 11
    private static let servingBit: UInt8 = 0x80

    var kind: Kind
    var sender: PeerHandle
    var session: UInt32
    var servesDHT: Bool

    /// A DATAGRAM frame's header; one byte less in the transport where the message is short.
    static let frameHeader = 3

    static func appendFrame(_ message: RawSpan, to frames: inout [UInt8]) {
        frames.append(FrameType.datagram)
        frames.appendU16(UInt16(message.byteCount))
        message.withUnsafeBytes { frames += $0 }
    }

    /// Appends a packet. Returns what the real one takes, bytes.
    ///
    /// - Parameter isFrames: whether `content` is frames; else it is one message, or none.
    @discardableResult
    func append(
        _ content: RawSpan, isFrames: Bool, introduction: Int, to address: SocketAddress,
        into packets: inout PacketBuffer
    ) -> Int {
        let head = isFrames || content.byteCount == 0 ? 0 : Self.frameHeader
        let framed = head + content.byteCount
        let wire = byteCount(framed: framed, introduction: introduction)
        let size = Self.headerByteCount + framed
        packets.append(to: address, capacity: size) { space in
            space[0] = kind.rawValue | (servesDHT ? Self.servingBit : 0)
            space.storeBytes(of: sender.index.bigEndian, toByteOffset: 1, as: UInt32.self)
            space.storeBytes(of: session.bigEndian, toByteOffset: 5, as: UInt32.self)
            space.storeBytes(of: UInt16(wire).bigEndian, toByteOffset: 9, as: UInt16.self)
            var offset = Self.headerByteCount
            if head > 0 {
                let count = UInt16(content.byteCount)
                space[offset] = FrameType.datagram
                space.storeBytes(of: count.bigEndian, toByteOffset: offset + 1, as: UInt16.self)
                offset += head
            }
            content.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                (space.baseAddress! + offset).copyMemory(from: base, byteCount: bytes.count)
            }
            return size
        }
        return wire
    }

    /// What the real packet would take. Noise adds to the first message of IK a key, an encrypted
    /// key and a tag (96 bytes), to the second 48; to those of XX 32, 96 and 64.
    private func byteCount(framed: Int, introduction: Int) -> Int {
        switch kind {
        case .initiation:
            let count = Packet.initiationHeader + 96 + introduction + framed
            return max(Packet.initiationMin, count)
        case .dial: return Packet.initiationMin
        case .response: return Packet.responseHeader + 48 + introduction + 26 + framed
        case .dialResponse: return Packet.responseHeader + 96 + introduction + 26
        case .completion: return Packet.responseHeader + 64 + introduction + 1 + framed
        // An ACK of one range, of about this many bytes.
        case .confirmation: return Packet.dataOverhead + 6
        case .data: return Packet.dataOverhead + framed
        case .close: return Packet.dataOverhead + 4
        case .reset: return Packet.resetByteCount
        }
    }

    /// The header of a packet; nil where it was damaged on the way beyond recognition. (A real
    /// packet with a flipped bit fails its tag; ``Network`` damages bytes that nothing protects
    /// here, so the world drops damaged packets itself.)
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.headerByteCount else { return nil }
        let first = bytes.unsafeLoad(as: UInt8.self)
        guard let kind = Kind(rawValue: first & ~Self.servingBit) else { return nil }
        self.kind = kind
        servesDHT = first & Self.servingBit != 0
        func word(_ offset: Int) -> UInt32 {
            UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        sender = PeerHandle(index: word(1))
        session = word(5)
    }

    init(_ kind: Kind, from sender: PeerHandle, session: UInt32, servesDHT: Bool) {
        (self.kind, self.sender, self.session) = (kind, sender, session)
        self.servesDHT = servesDHT
    }

    /// The frames of a response that fit into the least datagram.
    static func responseRoom(introduction: Int) -> Int {
        WireLimits.datagramFloor - Packet.responseHeader - 48 - introduction - 26
    }

    /// Where the frames lie in a packet.
    static func frames(in bytes: RawSpan) -> Range<Int> { headerByteCount..<bytes.byteCount }

    /// The size of the real packet.
    static func wireByteCount(of bytes: RawSpan) -> Int {
        guard bytes.byteCount >= headerByteCount else { return bytes.byteCount }
        return Int(UInt16(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 9, as: UInt16.self)))
    }

    /// Takes the first message off frames; nil where there is none.
    static func nextMessage(in frames: RawSpan, from offset: inout Int) -> Range<Int>? {
        guard offset + frameHeader <= frames.byteCount else { return nil }
        let count = Int(
            UInt16(
                bigEndian: frames.unsafeLoadUnaligned(fromByteOffset: offset + 1, as: UInt16.self)))
        let start = offset + frameHeader
        guard start + count <= frames.byteCount else { return nil }
        offset = start + count
        return start..<start + count
    }
}
