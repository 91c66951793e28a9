/// Streams between participants in a world of messages: in order, without loss and at no rate, each
/// written array a parcel that takes as long as a datagram. Room is as in the transport: what one
/// side wrote and the other has not confirmed, up to ``TransportConfiguration/sendHighWater``.
///
/// A parcel counts as the packets that the transport would fill with it, and a confirmation as an
/// ACK for every second one of them.

import AROContent
import ARONode
import AROPrimitives
import AROTransport
import AROWire

/// One side of a stream.
struct PlainStream {
    var token: ContentStream
    var peer: PeerHandle
    var session: UInt32
    /// The number that its opener gave it.
    var number: UInt64
    var isOurs: Bool
    var nextOut: UInt32 = 0
    var nextIn: UInt32 = 0
    /// Written and not confirmed, bytes.
    var unconfirmed = 0
    var wasFull = false
    var hasFinishedOut = false
    var hasFinishedIn = false
    /// Parcels that overtook others, which a partition held back.
    var early: [(place: UInt32, flags: UInt8, bytes: [UInt8])] = []
}

/// What goes to another node whatever the loss.
public struct Parcel: Sendable {
    var to: SocketAddress
    var bytes: [UInt8]
    /// What the transport would send for it.
    var packetCount: Int
    var wireByteCount: Int
}

private enum ParcelKind {
    static let finished: UInt8 = 1
    static let reset: UInt8 = 2
    static let confirmation: UInt8 = 4
    /// From the one who opened the stream.
    static let fromOpener: UInt8 = 8
}

/// ```
///   0   1  flags      5   4  session     17   4  place, or bytes confirmed
///   1   4  sender     9   8  stream      21   n  bytes
/// ```
private let parcelHeader = 21

extension MessageNode {
    mutating func openStream(
        _ token: ContentStream, to peer: PeerHandle, at now: Instant, _ outbox: inout Outbox
    ) {
        guard let i = sessions.find(peer, lifetimes, at: now) else {
            return connect(to: peer, first: RawSpan(), stream: token, at: now, into: &outbox)
        }
        guard !sessions[i].isConnecting else {
            if let a = attempts.firstIndex(where: { $0.peer == peer }) {
                attempts[a].streams.append(token)
            }
            return
        }
        lastStream += 1
        streams.append(
            PlainStream(
                token: token, peer: peer, session: sessions[i].number, number: lastStream,
                isOurs: true))
        tell(.streamOpened(token, room: highWater), at: now)
    }

    private var highWater: Int { commons.transport.sendHighWater }

    mutating func write(_ bytes: [UInt8], isFinal: Bool, to token: ContentStream) {
        guard let i = streams.firstIndex(where: { $0.token == token }) else { return }
        guard !bytes.isEmpty || isFinal else { return }
        send(bytes, flags: isFinal ? ParcelKind.finished : 0, on: i)
        if !bytes.isEmpty, written.last != token { written.append(token) }
        if isFinal {
            streams[i].hasFinishedOut = true
            if streams[i].hasFinishedIn { streams.remove(at: i) }
        }
    }

    private mutating func send(_ bytes: [UInt8], flags: UInt8, on i: Int) {
        let place = streams[i].nextOut
        streams[i].nextOut += 1
        streams[i].unconfirmed += bytes.count
        // What a stream's packet carries besides: a header of about nine bytes.
        let room = commons.transport.datagramMax - Packet.dataOverhead - 9
        let packets = max(1, (bytes.count + room - 1) / room)
        sendParcel(
            flags, streams[i], word: place, bytes, packets: packets,
            wireByteCount: bytes.count + packets * (Packet.dataOverhead + 9))
    }

    private mutating func sendParcel(
        _ flags: UInt8, _ stream: PlainStream, word: UInt32, _ bytes: [UInt8] = [],
        packets: Int, wireByteCount: Int
    ) {
        guard let address = commons.address(of: stream.peer) else { return }
        var out: [UInt8] = []
        out.reserveCapacity(parcelHeader + bytes.count)
        out.append(flags | (stream.isOurs ? ParcelKind.fromOpener : 0))
        out.appendU32(handle.index)
        out.appendU32(stream.session)
        out.appendU64(stream.number)
        out.appendU32(word)
        out += bytes
        parcels.append(
            Parcel(to: address, bytes: out, packetCount: packets, wireByteCount: wireByteCount))
    }

    mutating func tellRoom(of token: ContentStream, at now: Instant) {
        guard let i = streams.firstIndex(where: { $0.token == token }) else { return }
        let room = highWater - streams[i].unconfirmed
        streams[i].wasFull = room <= 0
        if room > 0 { tell(.streamWritable(token, room: room), at: now) }
    }

    mutating func resetStream(_ token: ContentStream) {
        guard let i = streams.firstIndex(where: { $0.token == token }) else { return }
        let stream = streams.remove(at: i)
        sendParcel(
            ParcelKind.reset, stream, word: stream.nextOut, packets: 1,
            wireByteCount: Packet.dataOverhead + 8)
    }

    mutating func releaseStream(_ token: ContentStream) {
        streams.removeAll { $0.token == token }
    }

    /// A session is gone, and its streams with it.
    mutating func dropStreams(with peer: PeerHandle, session: UInt32, at now: Instant) {
        let lost = streams.filter { $0.peer == peer && $0.session == session }
        guard !lost.isEmpty else { return }
        streams.removeAll { $0.peer == peer && $0.session == session }
        for stream in lost { tell(.streamReset(stream.token), at: now) }
    }

    // MARK: Parcels

    public mutating func takeParcel() -> Parcel? {
        guard parcelsTaken < parcels.count else {
            if parcelsTaken > 0 {
                parcels.removeAll(keepingCapacity: parcels.count < 8)
                parcelsTaken = 0
            }
            return nil
        }
        parcelsTaken += 1
        return parcels[parcelsTaken - 1]
    }

    public mutating func handle(
        _ parcel: Parcel, from address: SocketAddress, at now: Instant, into outbox: inout Outbox
    ) {
        let bytes = parcel.bytes.span.bytes
        var reader = ByteReader(bytes)
        guard let flags = try? reader.u8(), let sender = try? reader.u32(),
            let session = try? reader.u32(), let number = try? reader.u64(),
            let word = try? reader.u32()
        else { preconditionFailure("a parcel without its header") }
        let packet = PlainPacket(
            .data, from: PeerHandle(index: sender), session: session, servesDHT: true)
        guard let row = self.session(of: packet, at: now) else {
            return post(.reset, session, to: address, into: &outbox)
        }
        sessions.received(row, at: now)
        let isOurs = flags & ParcelKind.fromOpener == 0
        var place = streams.firstIndex {
            $0.peer == packet.sender && $0.session == session && $0.number == number
                && $0.isOurs == isOurs
        }
        if flags & ParcelKind.confirmation != 0 {
            if let place { confirmed(Int(word), place, at: now) }
        } else if flags & ParcelKind.reset != 0 {
            if let place {
                let token = streams.remove(at: place).token
                tell(.streamReset(token), at: now)
            }
        } else {
            if place == nil, !isOurs, word == 0 {
                place = accept(packet, number, parcel.bytes, at: now)
            }
            if let place { arrived(parcel, flags, word, place, at: now) }
        }
        carry(at: now, into: &outbox)
        settle()
    }

    /// The first byte of a peer's stream says what it is for.
    private mutating func accept(
        _ packet: PlainPacket, _ number: UInt64, _ bytes: [UInt8], at now: Instant
    ) -> Int? {
        guard bytes.count > parcelHeader,
            let purpose = StreamProtocol(rawValue: bytes[parcelHeader])
        else { return nil }
        let token = participant.streamAccepted(
            purpose, from: packet.sender, room: highWater, at: now, book: &commons.book,
            into: &commons.outbox)
        streams.append(
            PlainStream(
                token: token, peer: packet.sender, session: packet.session, number: number,
                isOurs: false))
        return streams.count - 1
    }

    private mutating func confirmed(_ byteCount: Int, _ i: Int, at now: Instant) {
        streams[i].unconfirmed -= byteCount
        guard streams[i].wasFull else { return }
        tellRoom(of: streams[i].token, at: now)
    }

    private mutating func arrived(
        _ parcel: Parcel, _ flags: UInt8, _ place: UInt32, _ i: Int, at now: Instant
    ) {
        let token = streams[i].token
        guard place == streams[i].nextIn else {
            if place > streams[i].nextIn { streams[i].early.append((place, flags, parcel.bytes)) }
            return
        }
        read(parcel.bytes, flags, i, at: now)
        while let i = streams.firstIndex(where: { $0.token == token }),
            let e = streams[i].early.firstIndex(where: { $0.place == streams[i].nextIn })
        {
            let next = streams[i].early.remove(at: e)
            read(next.bytes, next.flags, i, at: now)
        }
    }

    private mutating func read(_ bytes: [UInt8], _ flags: UInt8, _ i: Int, at now: Instant) {
        let (token, isFirst) = (streams[i].token, streams[i].nextIn == 0 && !streams[i].isOurs)
        streams[i].nextIn += 1
        let count = bytes.count - parcelHeader
        if count > 0 { confirm(count, streams[i]) }
        let isFinished = flags & ParcelKind.finished != 0
        if isFinished {
            streams[i].hasFinishedIn = true
            if streams[i].hasFinishedOut { streams.remove(at: i) }
        }
        // The byte that names the protocol is not the participant's.
        let content = bytes.span.bytes.extracting(droppingFirst: parcelHeader + (isFirst ? 1 : 0))
        if content.byteCount > 0 {
            tell(.streamReceived(token, content, isFinished: false), at: now)
        }
        if isFinished { tell(.streamReceived(token, RawSpan(), isFinished: true), at: now) }
    }

    private mutating func confirm(_ byteCount: Int, _ stream: PlainStream) {
        let packets = max(1, byteCount / commons.transport.datagramMax / 2)
        sendParcel(
            ParcelKind.confirmation, stream, word: UInt32(byteCount), packets: packets,
            wireByteCount: packets * (Packet.dataOverhead + 6))
    }
}
