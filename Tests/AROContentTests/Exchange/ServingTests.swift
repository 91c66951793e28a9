import AROPrimitives
import AROWire
import Testing

@testable import AROContent

/// A serving node without a world around it: outputs are looked at one by one.
private struct Server {
    var exchange: Exchange
    var now = Instant.origin
    var reads: [(CID, DiskToken)] = []
    var written: [ContentStream: [UInt8]] = [:]
    var ended: [ContentStream: Bool] = [:]
    var resets: [ContentStream] = []
    var violations: [ExchangeViolation] = []
    /// Bytes that the disk gave and no stream was given, at most.
    var heldMax = 0
    private var held = 0
    private var rooms: [ContentStream: Int] = [:]
    var writesWithoutRoom = 0

    init(_ configuration: ExchangeConfiguration = ExchangeConfiguration()) {
        exchange = Exchange(configuration: configuration, generator: Generator(seed: 1))
    }

    mutating func open(_ peer: Int, room: Int = 1 << 20) -> ContentStream {
        let stream = exchange.streamAccepted(
            from: PeerHandle(index: UInt32(peer)), room: room, at: now)
        rooms[stream] = room
        drain()
        return stream
    }

    mutating func send(_ request: ExchangeRequest, _ stream: ContentStream) {
        var bytes: [UInt8] = []
        bytes.append(request)
        send(bytes, stream)
    }

    mutating func send(_ bytes: [UInt8], _ stream: ContentStream, isFinished: Bool = false) {
        exchange.streamReceived(stream, bytes.span.bytes, isFinished: isFinished, at: now)
        drain()
    }

    mutating func room(_ stream: ContentStream, _ room: Int) {
        rooms[stream] = room
        exchange.streamWritable(stream, room: room, at: now)
        drain()
    }

    /// Answers the oldest read.
    mutating func answerRead(_ block: [UInt8]?) {
        let (_, token) = reads.removeFirst()
        held += block?.count ?? 0
        exchange.diskReplied(
            .block(token, block.map { .success($0) } ?? .failure(.notFound)), at: now)
        drain()
        heldMax = max(heldMax, held)
    }

    mutating func pass(_ time: Duration) {
        let end = now + time
        while let next = exchange.nextDeadline, next <= end {
            now = next
            exchange.deadlinePassed(at: now)
            drain()
        }
        now = end
    }

    private mutating func drain() {
        for output in exchange.takeOutputs() {
            switch output {
            case .disk(.read(let cid, let token)): reads.append((cid, token))
            case .write(let stream, let bytes, let isFinal):
                if rooms[stream, default: 1] <= 0, !bytes.isEmpty { writesWithoutRoom += 1 }
                rooms[stream, default: 0] -= bytes.count
                written[stream, default: []] += bytes
                held -= bytes.count > 1_000 ? bytes.count : 0
                if isFinal { ended[stream] = true }
            case .reset(let stream): resets.append(stream)
            case .misbehaved(_, let violation): violations.append(violation)
            default: break
            }
        }
    }

    /// Answers reads, telling each time that the stream has so much room again.
    mutating func tell(_ stream: ContentStream, _ blocks: [[UInt8]?], room: Int) {
        for block in blocks {
            if reads.isEmpty { self.room(stream, room) }
            answerRead(block)
            self.room(stream, room)
        }
        for _ in 0..<5 { self.room(stream, room) }
    }

    func answers(_ stream: ContentStream) -> [ExchangeAnswer] {
        var decoder = ExchangeAnswerDecoder()
        let bytes = written[stream] ?? []
        var reader = ByteReader(bytes.span.bytes)
        var all: [ExchangeAnswer] = []
        while let answer = try? decoder.next(&reader, blockMax: WireLimits.blockMax) {
            all.append(answer)
        }
        return all
    }
}

private func cids(_ count: Int, from first: Int = 0) -> [CID] {
    (first..<first + count).map { i in
        CID(codec: .raw, hash: Multihash(function: .sha256, digest: .init(UInt64(i), 0, 0, 0)))
    }
}

@Suite("Serving")
struct ServingTests {
    @Test("Answers come in the order of the requests, whatever the order of the disk")
    func order() {
        var server = Server()
        let stream = server.open(1)
        server.send(.want(cids(3)), stream)
        #expect(server.reads.count == 3)
        server.reads.reverse()
        server.answerRead([3, 3, 3])
        server.answerRead(nil)
        #expect(server.answers(stream).isEmpty)
        server.answerRead([1])
        #expect(server.answers(stream) == [.block([1]), .missing, .block([3, 3, 3])])
        #expect(server.exchange.counters.blocksServed == 2)
        #expect(server.exchange.counters.bytesServed == 4)
    }

    @Test("Damaged, missing and oversized blocks are all MISSING")
    func missing() {
        var server = Server()
        let stream = server.open(1)
        server.send(.want(cids(4)), stream)
        for failure in [DiskFailure.corrupt, .notFound, .failed("no")] {
            let (_, token) = server.reads.removeFirst()
            server.exchange.diskReplied(.block(token, .failure(failure)), at: server.now)
        }
        server.answerRead([UInt8](repeating: 1, count: WireLimits.blockMax + 1))
        #expect(server.answers(stream) == [.missing, .missing, .missing, .missing])
    }

    @Test("A cancelled request is answered so; a number that never was is an offence")
    func cancel() {
        var server = Server()
        let stream = server.open(1)
        server.send(.want(cids(3)), stream)
        server.send(.cancel(1), stream)
        server.answerRead([0])
        server.answerRead([1])
        server.answerRead([2])
        #expect(server.answers(stream) == [.block([0]), .cancelled, .block([2])])
        // Late, but no offence: the answer was on its way.
        server.send(.cancel(2), stream)
        #expect(server.violations.isEmpty)
        server.send(.cancel(3), stream)
        #expect(server.violations == [.tooManyRequests] && server.resets == [stream])
    }

    @Test("Nothing is read for a stream without room, and answers wait for it")
    func backpressure() {
        var server = Server()
        let stream = server.open(1, room: 0)
        server.send(.want(cids(5)), stream)
        #expect(server.reads.isEmpty)
        server.room(stream, 1)
        #expect(!server.reads.isEmpty)
        server.answerRead([UInt8](repeating: 1, count: 5_000))
        server.answerRead([UInt8](repeating: 2, count: 5_000))
        #expect(server.answers(stream).count == 1)
        server.room(stream, 1)
        #expect(server.answers(stream).count == 2)
    }

    @Test("Every write begins with room left, however little there is", arguments: 1...12)
    func tightRoom(room: Int) {
        var server = Server()
        let stream = server.open(1, room: room)
        server.send(.want(cids(5)), stream)
        server.tell(stream, [nil, [1], [2, 2], nil, [3]], room: room)
        #expect(
            server.answers(stream) == [
                .missing, .block([1]), .block([2, 2]), .missing, .block([3]),
            ])
        #expect(server.writesWithoutRoom == 0)
    }

    @Test("A thousand hostile streams: bounded streams, reads and memory; the rest is told BUSY")
    func flood() {
        var server = Server()
        var streams: [ContentStream] = []
        for i in 0..<1_000 {
            let stream = server.open(i % 100)
            streams.append(stream)
            server.send(.want(cids(64)), stream)
            server.send(.want(cids(64)), stream)
        }
        let counters = server.exchange.counters
        #expect(counters.streamsServed == 256 && counters.refusals == 744)
        let refused = streams.filter { server.answers($0) == [.refused(.busy)] }
        #expect(refused.count == 744 && refused.allSatisfy { server.ended[$0] == true })
        #expect(server.reads.count == 32, "\(server.reads.count) reads")
        let block = [UInt8](repeating: 1, count: 1 << 20)
        for _ in 0..<500 where !server.reads.isEmpty { server.answerRead(block) }
        #expect(server.heldMax <= 64 << 20, "\(server.heldMax)")
    }

    @Test("Peers that only hold streams keep nobody else out; those that wait for answers stay")
    func idleGivesWay() {
        var configuration = ExchangeConfiguration()
        configuration.servedStreamsMax = 3
        var server = Server(configuration)
        let streams = (1...3).map { server.open($0) }
        let early = server.open(4)
        #expect(server.answers(early) == [.refused(.busy)])
        server.pass(.seconds(1))
        server.send(.want(cids(1)), streams[0])
        server.pass(.seconds(2))
        let late = server.open(5)
        #expect(server.resets == [streams[1]])
        #expect(server.answers(late).isEmpty)
        _ = server.open(6)
        #expect(server.resets == [streams[1], streams[2]])
        let last = server.open(7)
        #expect(server.answers(last) == [.refused(.busy)])
        #expect(server.exchange.counters.streamsServed == 3)
    }

    @Test("One peer may open so many streams, not more")
    func perPeer() {
        var server = Server()
        for _ in 0..<20 { _ = server.open(7) }
        #expect(server.exchange.counters.streamsServed == 8)
        _ = server.open(8)
        #expect(server.exchange.counters.streamsServed == 9)
    }

    @Test("A stream with more open requests than allowed is reset")
    func tooManyRequests() {
        var server = Server()
        let stream = server.open(1, room: 0)
        for _ in 0..<4 { server.send(.want(cids(64)), stream) }
        #expect(server.resets.isEmpty)
        server.send(.want(cids(1)), stream)
        #expect(server.resets == [stream] && server.violations == [.tooManyRequests])
        #expect(server.exchange.counters.streamsServed == 0)
        let other = server.open(1, room: 0)
        for _ in 0..<3 { server.send(.have(cids(1_024)), other) }
        #expect(server.resets == [stream, other])
    }

    @Test("Malformed requests and a stream that ends inside of one are offences")
    func malformed() {
        var server = Server()
        server.send([0x81], server.open(1))
        let cut = server.open(1)
        server.send([0x01, 37, 36], cut, isFinished: true)
        #expect(server.violations == [.malformed(.unknown), .malformed(.truncated)])
    }

    @Test("A requester that ends gets its answers first")
    func finished() {
        var server = Server()
        let stream = server.open(1)
        var bytes: [UInt8] = []
        bytes.append(.want(cids(2)))
        server.send(bytes, stream, isFinished: true)
        server.answerRead([1])
        #expect(server.ended[stream] == nil)
        server.answerRead([2])
        #expect(server.answers(stream).count == 2 && server.ended[stream] == true)
        #expect(server.exchange.counters.streamsServed == 0)
    }

    @Test("Peers take turns: one with eight streams gets no more than one with one")
    func fairness() {
        var server = Server()
        var configuration = ExchangeConfiguration()
        configuration.servedBytesMax = 4 << 20
        server = Server(configuration)
        for i in 0..<8 {
            let stream = server.open(1, room: 1 << 40)
            for part in 0..<4 {
                server.send(.want(cids(64, from: 10_000 + 1_000 * i + 64 * part)), stream)
            }
        }
        let modest = server.open(2, room: 1 << 40)
        server.send(.want(cids(64)), modest)
        for _ in 0..<60 { server.answerRead([1, 2, 3]) }
        #expect(server.answers(modest).count >= 28, "\(server.answers(modest).count)")
    }

    @Test("Requesters that take nothing make way for others, and are ended in time")
    func stalled() {
        var configuration = ExchangeConfiguration()
        configuration.servedBytesMax = 8 << 20
        var server = Server(configuration)
        let block = [UInt8](repeating: 1, count: 1 << 20)
        for i in 0..<8 {
            let stream = server.open(i, room: 1)
            server.send(.want(cids(64)), stream)
        }
        while !server.reads.isEmpty { server.answerRead(block) }
        let honest = server.open(100, room: 1 << 40)
        server.send(.want(cids(3, from: 500)), honest)
        server.pass(.seconds(4))
        for _ in 0..<3 where !server.reads.isEmpty { server.answerRead([5]) }
        #expect(server.answers(honest) == [.block([5]), .block([5]), .block([5])])
        server.pass(.seconds(120))
        #expect(server.exchange.counters.streamsServed == 0)
        #expect(server.exchange.nextDeadline == nil)
    }

    @Test("An idle stream is ended after a while")
    func idle() {
        var server = Server()
        let stream = server.open(1)
        server.pass(.seconds(55))
        #expect(server.resets.isEmpty)
        server.pass(.seconds(10))
        #expect(server.resets == [stream])
    }

    @Test("Replies of the disk for streams that are gone are of no consequence")
    func late() {
        var server = Server()
        let stream = server.open(1)
        server.send(.want(cids(4)), stream)
        server.exchange.streamReset(stream, at: server.now)
        for _ in 0..<4 { server.answerRead([1]) }
        #expect(server.answers(stream).isEmpty)
        #expect(server.exchange.counters.streamsServed == 0)
    }

    @Test("Shutting down is said on every stream")
    func shutDown() {
        var server = Server()
        let stream = server.open(1)
        server.exchange.shutDown(at: server.now)
        server.pass(.seconds(1))
        _ = server.open(2)
        #expect(server.answers(stream) == [.refused(.shuttingDown)])
    }

    @Test("Random bytes from a requester are survived", arguments: 0..<10)
    func noise(seed: UInt64) {
        var generator = Generator(seed: seed)
        var server = Server()
        for i in 0..<50 {
            let stream = server.open(i)
            var bytes: [UInt8] = []
            bytes.append(.want(cids(3)))
            bytes[generator.below(bytes.count)] ^= 1 << UInt8(generator.below(8))
            bytes += (0..<50).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            server.send(bytes, stream)
        }
        #expect(server.exchange.counters.streamsServed < 50, "seed \(seed)")
    }
}
