import AROPrimitives
import Testing

@testable import AROWire

private func cid(_ i: UInt64, _ function: Multihash.Function = .sha256) -> CID {
    CID(
        codec: i % 2 == 0 ? .raw : .dagPB,
        hash: Multihash(function: function, digest: .init(i, 1, 2, 3)))
}

private let requests: [ExchangeRequest] = [
    .want([cid(1)]),
    .want((0..<64).map { cid($0, $0 % 3 == 0 ? .blake2b256 : .sha256) }),
    .have((0..<1_024).map { cid($0, .blake2b256) }),
    .attestations(cid(9)),
    .cancel(0), .cancel(63), .cancel(64), .cancel(1 << 40),
]

private let answers: [ExchangeAnswer] = [
    .block([7]), .block([UInt8](repeating: 3, count: 70_000)), .missing,
    .haveMap([0b1010_0000]), .haveMap([UInt8](repeating: 0xff, count: 128)),
    .attestations([]), .attestations([[1, 2, 3], [], [UInt8](repeating: 5, count: 1_024)]),
    .cancelled, .refused(.busy), .refused(.shuttingDown),
]

private func bytes(_ all: [ExchangeRequest]) -> [UInt8] {
    all.reduce(into: [UInt8]()) { $0.append($1) }
}

private func bytes(_ all: [ExchangeAnswer]) -> [UInt8] {
    all.reduce(into: [UInt8]()) { $0.append($1) }
}

/// Reads requests from bytes that arrive in pieces of the given sizes, over and over.
private func readRequests(
    _ bytes: [UInt8], pieces: [Int] = [.max]
) throws(DecodingFailure) -> (all: [ExchangeRequest], isBetween: Bool) {
    var decoder = ExchangeRequestDecoder()
    var all: [ExchangeRequest] = []
    var start = 0
    var turn = 0
    while start < bytes.count {
        let end = start + min(pieces[turn % pieces.count], bytes.count - start)
        var reader = ByteReader(bytes.span.bytes.extracting(start..<end))
        while let request = try decoder.next(&reader) { all.append(request) }
        (start, turn) = (end, turn + 1)
    }
    return (all, decoder.isBetweenFrames)
}

private func readAnswers(
    _ bytes: [UInt8], pieces: [Int] = [.max], blockMax: Int = WireLimits.blockMax
) throws(DecodingFailure) -> (all: [ExchangeAnswer], isBetween: Bool) {
    var decoder = ExchangeAnswerDecoder()
    var all: [ExchangeAnswer] = []
    var start = 0
    var turn = 0
    while start < bytes.count {
        let end = start + min(pieces[turn % pieces.count], bytes.count - start)
        var reader = ByteReader(bytes.span.bytes.extracting(start..<end))
        while let answer = try decoder.next(&reader, blockMax: blockMax) { all.append(answer) }
        (start, turn) = (end, turn + 1)
    }
    return (all, decoder.isBetweenFrames)
}

private func requestFailure(_ bytes: [UInt8]) -> DecodingFailure? {
    do throws(DecodingFailure) {
        _ = try readRequests(bytes)
        return nil
    } catch { return error }
}

private func answerFailure(_ bytes: [UInt8], blockMax: Int = WireLimits.blockMax)
    -> DecodingFailure?
{
    do throws(DecodingFailure) {
        _ = try readAnswers(bytes, blockMax: blockMax)
        return nil
    } catch { return error }
}

@Suite("Messages of content exchange")
struct ExchangeMessageTests {
    @Test("The layouts are those of the documentation")
    func layouts() {
        #expect(bytes([.cancel(5)]) == [0x04, 1, 5])
        #expect(bytes([.missing]) == [0x82, 0] && bytes([.cancelled]) == [0x85, 0])
        #expect(bytes([.refused(.busy)]) == [0x86, 1, 1])
        #expect(bytes([.block([9, 8])]) == [0x81, 2, 9, 8])
        #expect(bytes([.haveMap([0x80])]) == [0x83, 1, 0x80])
        #expect(bytes([.attestations([[7]])]) == [0x84, 2, 1, 7])
        let want = bytes([.want([cid(0)])])
        #expect(Array(want.prefix(4)) == [0x01, 37, 36, 1] && want.count == 39)
        var header: [UInt8] = []
        header.appendBlockHeader(byteCount: 1 << 20)
        #expect(header == [0x81, 0x80, 0x10, 0, 0])
    }

    @Test("What is written is read, in one piece", arguments: [0])
    func roundTrip(_: Int) throws {
        #expect(try readRequests(bytes(requests)) == (requests, true))
        #expect(try readAnswers(bytes(answers)) == (answers, true))
    }

    @Test(
        "…and in pieces of any size",
        arguments: [[1], [2], [3, 1], [1, 5, 7], [1_000], [4_096, 1]])
    func pieces(sizes: [Int]) throws {
        #expect(try readRequests(bytes(requests), pieces: sizes).all == requests)
        #expect(try readAnswers(bytes(answers), pieces: sizes).all == answers)
    }

    @Test("A split at every byte changes nothing, a cut there is no whole message")
    func everySplit() throws {
        let small: [ExchangeAnswer] = [
            .block([1, 2, 3]), .haveMap([1, 2]), .missing, .attestations([[4], [5, 6]]),
        ]
        let all = bytes(small)
        for split in 1..<all.count {
            let read = try readAnswers(all, pieces: [split, all.count])
            #expect(read.all == small)
            let cut = try readAnswers(Array(all.prefix(split)))
            #expect(cut.all.count < small.count && small.starts(with: cut.all))
        }
        for request in requests where request != requests[2] {
            let all = bytes([request])
            for split in 1..<all.count {
                let cut = try readRequests(Array(all.prefix(split)))
                #expect(cut.all.isEmpty && !cut.isBetween)
            }
        }
    }

    @Test("A have-map holds one bit a CID")
    func haveMaps() {
        let held = (0..<21).map { $0 % 3 == 0 }
        let map = ExchangeAnswer.haveMap(of: held)
        #expect(map.count == 3)
        #expect((0..<21).map { ExchangeAnswer.haveMap(map, $0) } == held)
        #expect(!ExchangeAnswer.haveMap(map, 24) && !ExchangeAnswer.haveMap([], 0))
    }

    @Test("Lengths beyond their bounds are refused before a byte of the body came")
    func bounds() {
        func header(_ type: UInt8, _ length: Int) -> [UInt8] {
            var out = [type]
            out.appendVarint(length)
            return out
        }
        for (type, most) in [(0x01, 64 * 39), (0x02, 1_024 * 39), (0x03, 39), (0x04, 8)] {
            #expect(requestFailure(header(UInt8(type), most + 1)) == .outOfBounds)
            #expect(requestFailure(header(UInt8(type), most)) == nil)
            #expect(requestFailure(header(UInt8(type), 0)) == .outOfBounds)
        }
        for (type, most) in [
            (0x81, 2 << 20), (0x82, 0), (0x83, 128), (0x84, 8 * 1_026), (0x85, 0), (0x86, 1),
        ] {
            #expect(answerFailure(header(UInt8(type), most + 1)) == .outOfBounds)
            #expect(answerFailure(header(UInt8(type), most)) == nil)
        }
        #expect(answerFailure(header(0x81, 0)) == .outOfBounds)
        #expect(answerFailure(header(0x81, 1 << 40)) == .outOfBounds)
        #expect(answerFailure(header(0x81, 5_000), blockMax: 4_999) == .outOfBounds)
        #expect(answerFailure(header(0x81, 1), blockMax: 0) == .outOfBounds)
    }

    @Test("Unknown types, the other side's types and roundabout lengths are refused")
    func unknown() {
        for type in UInt8.min...UInt8.max where !(1...4).contains(type) {
            #expect(requestFailure([type]) == .unknown)
        }
        for type in UInt8.min...UInt8.max where !(0x81...0x86).contains(type) {
            #expect(answerFailure([type]) == .unknown)
        }
        #expect(answerFailure([0x82, 0x40, 0x00]) == .notCanonical)
        #expect(answerFailure([0x81, 0x80, 0, 0, 1]) == .notCanonical)
        #expect(
            answerFailure([0x86, 1, 0]) == .unknown && answerFailure([0x86, 1, 9]) == .unknown)
    }

    @Test("Bodies that do not add up are refused")
    func bodies() {
        // A CID cut short, one byte too many, a CANCEL with two numbers, a CID of another codec.
        var cut = bytes([.want([cid(0)])])
        cut.removeLast()
        cut[1] -= 1
        #expect(requestFailure(cut) == .truncated)
        var long = bytes([.attestations(cid(0))]) + [0]
        long[1] += 1
        #expect(requestFailure(long) == .trailingBytes)
        #expect(requestFailure([0x04, 2, 1, 1]) == .trailingBytes)
        var other = bytes([.want([cid(0)])])
        other[4] = 0x71
        #expect(requestFailure(other) == .unknown)
        // More attestations than allowed, and one that is too long.
        #expect(answerFailure([0x84, 9] + [UInt8](repeating: 0, count: 9)) == .outOfBounds)
        var large: [UInt8] = [0x84]
        large.appendVarint(1_027)
        large.appendVarint(1_025)
        #expect(answerFailure(large + [UInt8](repeating: 0, count: 1_025)) == .outOfBounds)
    }

    @Test("A block's size is known as soon as it is announced")
    func announced() throws {
        var decoder = ExchangeAnswerDecoder()
        let all = bytes([.block([1, 2, 3, 4])])
        var first = ByteReader(all.span.bytes.extracting(0..<3))
        #expect(try decoder.next(&first, blockMax: 4) == nil)
        #expect(decoder.blockUnderWay == 4)
        var second = ByteReader(all.span.bytes.extracting(3..<6))
        #expect(try decoder.next(&second, blockMax: 4) == .block([1, 2, 3, 4]))
        #expect(decoder.blockUnderWay == nil && decoder.isBetweenFrames)
    }

    @Test("Flipped bits and random bytes are refused or read, never worse", arguments: 0..<8)
    func noise(seed: UInt64) {
        var generator = Generator(seed: seed)
        let good = bytes(Array(requests.dropLast(5)))
        for _ in 0..<300 {
            var bad = good
            for _ in 0...generator.below(4) {
                bad[generator.below(bad.count)] ^= 1 << UInt8(generator.below(8))
            }
            _ = requestFailure(bad)
            _ = requestFailure(Array(bad.prefix(generator.below(bad.count))))
        }
        let told = bytes([.block([1, 2, 3]), .haveMap([1]), .attestations([[1], [2]]), .missing])
        for _ in 0..<2_000 {
            var bad = told
            bad[generator.below(bad.count)] ^= 1 << UInt8(generator.below(8))
            if let all = try? readAnswers(bad, pieces: [1 + generator.below(5)]).all {
                #expect(all.count <= 4 + told.count / 2)
            }
            let noise = (0..<40).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            _ = answerFailure(noise)
            _ = requestFailure(noise)
        }
    }
}
