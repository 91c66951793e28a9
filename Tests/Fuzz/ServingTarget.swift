/// Content served to peers that are the fuzzer: any requests, cut anywhere, any room to write, any
/// answers of the disk. What is held in memory stays within its bounds, and nothing is written where
/// there is no room.

import AROContent
import AROPrimitives
import AROWire

struct ServingTarget {
    private var input: FuzzInput
    private var exchange: Exchange
    private var configuration = ExchangeConfiguration()
    private var now = Instant.origin + .seconds(1_000)
    private var streams: [ContentStream] = []
    private var room: [ContentStream: Int] = [:]
    private var disk: [DiskRequest] = []
    private let forest: Forest

    static func run(_ bytes: [UInt8]) {
        var target = ServingTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ source: FuzzInput) {
        var input = source
        forest = Forest(&input, blocksMax: 6)
        self.input = input
        configuration.servedStreamsMax = 6
        configuration.servedStreamsPerPeerMax = 3
        configuration.servedBytesPerStreamMax = 4 << 20
        configuration.servedBytesPerPeerMax = 6 << 20
        configuration.servedBytesMax = 8 << 20
        exchange = Exchange(configuration: configuration, generator: Generator(seed: 1))
    }

    private mutating func run() {
        var steps = 0
        while !input.isAtEnd, steps < 300 {
            steps += 1
            step()
            drain()
            check(exchange.counters.streamsServed <= 6, "streams served")
        }
    }

    private mutating func step() {
        guard !streams.isEmpty else { return accept() }
        let stream = streams[input.below(streams.count)]
        switch input.below(10) {
        case 0: accept()
        case 1: receive(input.run(300), on: stream)
        case 2, 3, 4: receive(request(), on: stream)
        case 5: reply()
        case 6: reply()
        case 7:
            let left = input.below(65_536)
            room[stream] = left
            exchange.streamWritable(stream, room: left, at: now)
        case 8:
            now += .nanoseconds(1 << Int64(input.below(38)))
            exchange.deadlinePassed(at: now)
            check(exchange.nextDeadline.map { $0 > now } ?? true, "a deadline comes to rest")
        default:
            exchange.streamReset(stream, at: now)
            gone(stream)
        }
    }

    private mutating func accept() {
        let left = input.below(65_536)
        let stream = exchange.streamAccepted(
            from: PeerHandle(index: UInt32(input.below(4))), room: left, at: now)
        streams.append(stream)
        room[stream] = left
    }

    private mutating func receive(_ bytes: [UInt8], on stream: ContentStream) {
        exchange.streamReceived(
            stream, bytes.span.bytes, isFinished: input.byte() == 255, at: now)
    }

    private mutating func cid() -> CID {
        if !forest.order.isEmpty, input.flag() {
            return forest.order[input.below(forest.order.count)]
        }
        let digest = Bits256(UInt64(input.byte()), 0, 0, 0)
        return CID(codec: .raw, hash: Multihash(function: .sha256, digest: digest))
    }

    private mutating func request() -> [UInt8] {
        var out: [UInt8] = []
        switch input.below(6) {
        case 0, 1: out.append(.want((0...input.below(8)).map { _ in cid() }))
        case 2: out.append(.want([CID](repeating: cid(), count: 64)))
        case 3: out.append(.have((0...input.below(20)).map { _ in cid() }))
        case 4: out.append(.attestations(cid()))
        default: out.append(.cancel(input.number()))
        }
        return out
    }

    private mutating func reply() {
        guard !disk.isEmpty else { return }
        let request = disk.remove(at: input.below(disk.count))
        let kind = input.below(5)
        switch request {
        case .read(let cid, let token):
            let result: Result<[UInt8], DiskFailure> =
                switch kind {
                case 0: .failure(.notFound)
                case 1: .success([])
                case 2: .success([UInt8](repeating: 1, count: 100_000))
                default: forest.blocks[cid].map { .success($0) } ?? .failure(.corrupt)
                }
            exchange.diskReplied(.block(token, result), at: now)
        case .contains(let cids, let token):
            exchange.diskReplied(.contains(token, cids.map { forest.blocks[$0] != nil }), at: now)
        case .readAttestations(_, let token):
            exchange.diskReplied(.attestations(token, []), at: now)
        case .write, .writeAttestation: check(false, "who serves writes nothing")
        }
    }

    private mutating func gone(_ stream: ContentStream) {
        streams.removeAll { $0 == stream }
        room[stream] = nil
    }

    private mutating func drain() {
        var written: [ContentStream] = []
        for output in exchange.takeOutputs() {
            switch output {
            case .write(let stream, let bytes, let isFinal):
                guard let left = room[stream] else {
                    check(false, "a write to a stream that is gone")
                    continue
                }
                // A refusal goes out whatever the room: the stream ends with it.
                check(bytes.isEmpty || left > 0 || isFinal, "a write without room")
                room[stream] = left - bytes.count
                written.append(stream)
                if isFinal { streams.removeAll { $0 == stream } }
            case .reset(let stream), .release(let stream): gone(stream)
            case .disk(let request): disk.append(request)
            case .misbehaved: break
            case .openStream, .findProviders, .fetchEvent, .becameProvider,
                .becamePartialProvider, .gaveUpProviding:
                check(false, "who serves fetches nothing: \(output)")
            }
        }
        let reads = disk.reduce(0) { if case .read = $1 { $0 + 1 } else { $0 } }
        // Reads of streams that ended meanwhile are no longer counted, but few.
        check(reads <= 4 + 3 * 300, "reads under way: \(reads)")
        check(exchange.bytesServing <= 8 << 20, "bytes held: \(exchange.bytesServing)")
        for stream in written {
            guard let left = room[stream], left > 0 else { continue }
            exchange.streamWritable(stream, room: left, at: now)
        }
        if !written.isEmpty { drain() }
    }
}
