/// Names, packets, frames and messages: what decodes must encode to the same bytes where the format
/// is canonical, and to something that decodes to the same value where it is not.

import AROCrypto
import AROPrimitives
import AROTransport
import AROWire

enum WireTargets {
    static func cid(_ bytes: [UInt8]) {
        if let cid = try? CID(bytes: bytes) {
            check(cid.bytes == bytes, "a binary CID has one form")
            check((try? CID(cid.description)) == cid, "a CID's text is read back")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        if let cid = try? CID(text) {
            check(cid.description == text.lowercased(), "a CID has one text")
        }
        var reader = ByteReader(bytes.span.bytes)
        if let cid = try? reader.cid() {
            var out: [UInt8] = []
            out.append(cid)
            check(out[...] == bytes.prefix(reader.offset), "a CID with its length has one form")
        }
    }

    static func texts(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let address = SocketAddress(text) {
            check(SocketAddress(address.description) == address, "an address is read back")
        }
        if let id = PeerID(text) {
            check(id.description == text.lowercased(), "a peer has one text")
        }
        if let decoded = Base32.decode(text) {
            check(Base32.encode(decoded) == text.lowercased(), "base32 has one text")
        }
        if let decoded = Hex.decode(text) {
            check(Hex.encode(decoded) == text.lowercased(), "hexadecimal has one text")
        }
        check(Base32.decode(Base32.encode(bytes)) == bytes, "base32 is read back")
        check(Hex.decode(Hex.encode(bytes)) == bytes, "hexadecimal is read back")
    }

    static func packet(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes.span.bytes)
        if let header = try? InitiationHeader(reading: &reader) {
            check(header.bytes[...] == bytes.prefix(reader.offset), "an initiation's header")
        }
        if let notice = try? ShortNotice(bytes.span.bytes) {
            check(notice.bytes == bytes, "a cookie or reset")
        }
        if let versions = try? VersionsPacket(bytes.span.bytes) {
            check(versions.bytes == bytes, "a list of versions")
        }
        var input = FuzzInput(bytes)
        let expected = input.number()
        let number = expected &+ input.number() & 0x7fff_fffe
        let low = UInt32(truncatingIfNeeded: number)
        check(
            PacketNumber.expand(low, expected: expected) == number,
            "a packet number near \(expected)"
        )
        _ = PacketNumber.expand(UInt32(truncatingIfNeeded: input.number()), expected: expected)
    }

    static func handshake(_ bytes: [UInt8]) {
        guard let kind = bytes.first else { return }
        let body = Array(bytes.dropFirst())
        var out: [UInt8] = []
        switch kind % 4 {
        case 0:
            var reader = ByteReader(body.span.bytes)
            guard let parameters = try? TransportParameters(reading: &reader) else { return }
            parameters.encode(into: &out)
            var again = ByteReader(out.span.bytes)
            check((try? TransportParameters(reading: &again)) == parameters, "parameters")
        case 1:
            guard let payload = try? InitiationPayload(body.span.bytes) else { return }
            payload.encode(into: &out)
            check((try? InitiationPayload(out.span.bytes)) == payload, "an initiation's payload")
        case 2:
            var reader = ByteReader(body.span.bytes)
            guard let payload = try? ResponsePayload(reading: &reader) else { return }
            payload.encode(into: &out)
            var again = ByteReader(out.span.bytes)
            check((try? ResponsePayload(reading: &again)) == payload, "a response's payload")
        default:
            var reader = ByteReader(body.span.bytes)
            guard let introduction = try? Introduction(reading: &reader) else { return }
            introduction.encode(into: &out)
            var again = ByteReader(out.span.bytes)
            check((try? Introduction(reading: &again)) == introduction, "an introduction")
        }
    }

    static func frames(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes.span.bytes)
        while !reader.isAtEnd {
            let start = reader.offset
            guard let frame = try? reader.frame() else { return }
            let written = encoded(frame)
            check(
                written[...] == bytes[start..<reader.offset], "frame \(bytes[start]) has one form")
        }
    }

    /// The bytes of a frame, by the writer.
    static func encoded(_ frame: Frame) -> [UInt8] {
        if case .padding(let count) = frame { return [UInt8](repeating: 0, count: count) }
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 70_000, alignment: 8)
        defer { space.deallocate() }
        var writer = FrameWriter(space)
        check(write(frame, with: &writer), "a frame fits")
        return Array(space[..<writer.count])
    }

    private static func write(_ frame: Frame, with writer: inout FrameWriter) -> Bool {
        switch frame {
        case .padding: return false
        case .ping: return writer.ping()
        case .ack(let ack):
            var received = AROPrimitives.RangeSet()
            var ranges = ack.ranges()
            while let range = ranges.nextRange() { received.insert(range) }
            return writer.ack(
                received, floor: 0, limit: received.count,
                delayMicroseconds: ack.delayMicroseconds) != nil
        case .resetStream(let id, let code, let size):
            return writer.numbers(FrameType.resetStream, id, code, size)
        case .stopSending(let id, let code): return writer.numbers(FrameType.stopSending, id, code)
        case .stream(let id, let offset, let bytes, let isLast):
            let space = writer.stream(id, offset: offset, length: bytes.byteCount, isLast: isLast)
            bytes.withUnsafeBytes { space.copyMemory(from: $0) }
            return true
        case .maxData(let limit): return writer.numbers(FrameType.maxData, limit)
        case .maxStreamData(let id, let limit):
            return writer.numbers(FrameType.maxStreamData, id, limit)
        case .maxStreams(let count): return writer.numbers(FrameType.maxStreams, count)
        case .pathChallenge(let token): return writer.path(FrameType.pathChallenge, token)
        case .pathResponse(let token): return writer.path(FrameType.pathResponse, token)
        case .close(let code, let text): return writer.close(code: code, text: text.array)
        case .datagram(let message): return message.withUnsafeBytes { writer.datagram($0) }
        }
    }

    static func kademlia(_ bytes: [UInt8]) {
        guard let message = try? KademliaMessage(decoding: bytes.span.bytes) else { return }
        check(message.bytes == bytes, "a message of Kademlia has one form")
    }

    static func records(_ bytes: [UInt8]) {
        let now = UnixTime(seconds: 1_800_000_000)
        let key = DHTKey(bits: .zero)
        var reader = ByteReader(bytes.span.bytes)
        if let record = try? ProviderRecord.body(of: key, from: &reader) {
            var out: [UInt8] = []
            record.appendBody(to: &out)
            check(out[...] == bytes.prefix(reader.offset), "a provider record has one form")
            check(out.count == record.bodyByteCount, "a provider record's size")
            try? record.verify(at: now)
        }
        reader = ByteReader(bytes.span.bytes)
        if let record = try? NameRecord(from: &reader) {
            var out: [UInt8] = []
            record.append(to: &out)
            check(out[...] == bytes.prefix(reader.offset), "a name record has one form")
            check(out.count == record.byteCount, "a name record's size")
            check(!record.supersedes(record), "nothing replaces itself")
            try? record.verify(at: now)
        }
    }

    static func exchangeRequests(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let piece = 1 + input.below(256)
        let stream = input.rest()
        var whole = ByteReader(stream.span.bytes)
        var decoder = ExchangeRequestDecoder()
        var requests: [ExchangeRequest] = []
        var out: [UInt8] = []
        while let request = try? decoder.next(&whole) {
            out.append(request)
            requests.append(request)
        }
        check(out[...] == stream.prefix(out.count), "a request has one form")
        var again: [ExchangeRequest] = []
        var parts = ExchangeRequestDecoder()
        for start in stride(from: 0, to: stream.count, by: piece) {
            let part = Array(stream[start..<min(start + piece, stream.count)])
            var reader = ByteReader(part.span.bytes)
            do { while let request = try parts.next(&reader) { again.append(request) } } catch {
                break
            }
        }
        check(requests == again, "requests do not depend on how they are cut")
    }

    static func exchangeAnswers(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let piece = 1 + input.below(256)
        let blockMax = input.below(65_536)
        let stream = input.rest()
        var whole = ByteReader(stream.span.bytes)
        var decoder = ExchangeAnswerDecoder()
        var answers: [ExchangeAnswer] = []
        var out: [UInt8] = []
        while let answer = try? decoder.next(&whole, blockMax: blockMax) {
            out.append(answer)
            answers.append(answer)
        }
        check(out[...] == stream.prefix(out.count), "an answer has one form")
        var again: [ExchangeAnswer] = []
        var parts = ExchangeAnswerDecoder()
        for start in stride(from: 0, to: stream.count, by: piece) {
            let part = Array(stream[start..<min(start + piece, stream.count)])
            var reader = ByteReader(part.span.bytes)
            do {
                while let answer = try parts.next(&reader, blockMax: blockMax) {
                    again.append(answer)
                }
            } catch { break }
        }
        check(answers == again, "answers do not depend on how they are cut")
    }

    /// A set of ranges against 64 bits that say the same.
    static func ranges(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var set = AROPrimitives.RangeSet()
        var model: UInt64 = 0
        while !input.isAtEnd {
            let kind = input.byte()
            let low = UInt64(input.below(64))
            let high = UInt64(Int(low) + input.below(65 - Int(low)))
            let mask = (low..<high).reduce(UInt64(0)) { $0 | 1 << $1 }
            switch kind % 5 {
            case 0, 1:
                set.insert(low..<high)
                model |= mask
            case 2:
                set.remove(low..<high)
                model &= ~mask
            case 3:
                set.removeBelow(low)
                model &= low == 0 ? .max : ~((1 << low) - 1)
            default:
                var others = AROPrimitives.RangeSet()
                others.insert(high / 2..<high)
                set.insert(low..<high, except: others)
                model |= mask & ~((high / 2..<high).reduce(UInt64(0)) { $0 | 1 << $1 })
            }
            for value in 0..<UInt64(64) {
                check(set.contains(value) == (model >> value & 1 == 1), "\(value) in \(set)")
            }
            for i in 0..<max(set.count - 1, 0) {
                check(set[i].upperBound < set[i + 1].lowerBound, "ranges stay apart: \(set)")
            }
        }
    }
}
