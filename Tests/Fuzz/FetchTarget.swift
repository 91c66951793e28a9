/// A fetch of a tree that the fuzzer made from peers that are the fuzzer. Only blocks that match their
/// names reach the disk, what is reported as finished is there, memory is bounded, and once peers fall
/// silent the fetch ends by itself.

import AROContent
import AROPrimitives
import AROWire

struct FetchTarget {
    private struct Link {
        var stream: ContentStream
        var requests = ExchangeRequestDecoder()
        var isGreeted = false
        var asked: [ExchangeRequest] = []
    }

    private var input: FuzzInput
    private var exchange: Exchange
    private var now = Instant.origin + .seconds(1_000)
    private var links: [Link] = []
    private var opening: [ContentStream] = []
    private var disk: [DiskRequest] = []
    private var stored: [CID: [UInt8]] = [:]
    private var searches: [CID] = []
    private var peersUsed: UInt32 = 0
    private var isOver = false
    private let forest: Forest
    private var options: FetchOptions

    static func run(_ bytes: [UInt8]) {
        var target = FetchTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ source: FuzzInput) {
        var input = source
        forest = Forest(&input, blocksMax: 16)
        var configuration = ExchangeConfiguration()
        if input.flag() {
            configuration.wantsMax = 4
            configuration.linksMax = 16
            configuration.bytesInFlightMax = 1 << 20
            configuration.fetchReadsMax = 1
        }
        options = FetchOptions(root: forest.order.last ?? CID(.raw, hashing: RawSpan()))
        if input.byte() == 1 { options.path = [forest.name(&input)] }
        if input.byte() == 1 {
            let low = input.number()
            options.range = low..<max(low, input.number())
        }
        if input.byte() == 1 { options.publisher = PeerID(key: .zero) }
        options.checksHeld = input.byte() == 1
        self.input = input
        exchange = Exchange(configuration: configuration, generator: Generator(seed: 1))
    }

    private mutating func run() {
        exchange.start(options, FetchID(number: 1), at: now)
        drain()
        var steps = 0
        while !input.isAtEnd, steps < 300, !isOver {
            steps += 1
            step()
            drain()
        }
        finish()
    }

    /// Nobody says anything any more, but the disk answers and time passes.
    private mutating func finish() {
        for _ in 0..<3_000 where !isOver {
            while !disk.isEmpty {
                reply(at: 0, kind: 3)
                drain()
            }
            for search in searches { exchange.providerSearchEnded(search, at: now) }
            searches = []
            drain()
            guard !isOver, disk.isEmpty, let due = exchange.nextDeadline else { continue }
            now = max(now + .milliseconds(1), due)
            exchange.deadlinePassed(at: now)
            drain()
        }
        check(isOver, "a fetch ends at last")
    }

    private mutating func step() {
        switch input.below(12) {
        case 0, 1:
            if !disk.isEmpty { reply(at: input.below(disk.count), kind: input.below(8)) }
        case 2: searchEnds()
        case 3: open()
        case 4, 5, 6, 7: answer()
        case 8: noise()
        case 9:
            now += .nanoseconds(1 << Int64(input.below(36)))
            exchange.deadlinePassed(at: now)
        case 10: lose()
        default:
            for i in links.indices {
                exchange.streamWritable(links[i].stream, room: input.below(65_536), at: now)
            }
        }
    }

    private mutating func searchEnds() {
        guard let cid = searches.first else { return }
        for _ in 0..<input.below(4) {
            peersUsed += 1
            exchange.providersFound(cid, [PeerHandle(index: peersUsed % 9)], at: now)
        }
        guard input.flag() else { return }
        searches.removeFirst()
        exchange.providerSearchEnded(cid, at: now)
    }

    private mutating func open() {
        guard !opening.isEmpty else { return }
        let stream = opening.removeFirst()
        if input.byte() == 1 {
            exchange.peerUnreachable(PeerHandle(index: UInt32(input.below(9))), at: now)
        } else {
            links.append(Link(stream: stream))
            exchange.streamOpened(stream, room: 1 << 20, at: now)
        }
    }

    private mutating func lose() {
        guard !links.isEmpty, input.flag() else { return }
        let stream = links.remove(at: input.below(links.count)).stream
        exchange.streamReset(stream, at: now)
    }

    private mutating func answer() {
        guard !links.isEmpty else { return open() }
        let i = input.below(links.count)
        guard !links[i].asked.isEmpty else { return }
        let request = links[i].asked.removeFirst()
        var out: [UInt8] = []
        switch request {
        case .want(let cids):
            for cid in cids { append(cid, to: &out) }
        case .have(let cids):
            let bits = input.byte()
            out.append(
                .haveMap(ExchangeAnswer.haveMap(of: cids.indices.map { bits >> ($0 & 7) & 1 == 1 }))
            )
        case .attestations: out.append(.attestations(input.flag() ? [] : [input.run(300)]))
        case .cancel: return
        }
        send(out, on: links[i].stream)
    }

    private mutating func append(_ cid: CID, to out: inout [UInt8]) {
        switch input.below(16) {
        case 0: out.append(.missing)
        case 1: out.append(.cancelled)
        case 2: out.append(.block([1, 2, 3]))
        case 3: out.append(.refused(.busy))
        default:
            guard let block = forest.blocks[cid], !block.isEmpty else {
                return out.append(.missing)
            }
            out.append(.block(block))
        }
    }

    private mutating func noise() {
        guard !links.isEmpty else { return }
        send(input.run(400), on: links[input.below(links.count)].stream)
    }

    private mutating func send(_ bytes: [UInt8], on stream: ContentStream) {
        let cut = input.below(max(bytes.count, 1))
        let head = Array(bytes[..<cut])
        let tail = Array(bytes[cut...])
        exchange.streamReceived(stream, head.span.bytes, isFinished: false, at: now)
        exchange.streamReceived(
            stream, tail.span.bytes, isFinished: input.byte() == 255, at: now)
    }

    // MARK: What comes out

    private mutating func reply(at i: Int, kind: Int) {
        switch disk.remove(at: i) {
        case .read(let cid, let token):
            let found = stored[cid] ?? (cid.codec == .raw && kind == 5 ? [] : nil)
            let isNothing = CID(.raw, hashing: RawSpan()) == cid
            if let found, !found.isEmpty || isNothing {
                exchange.diskReplied(.block(token, .success(found)), at: now)
            } else {
                stored[cid] = nil
                exchange.diskReplied(.block(token, .failure(.notFound)), at: now)
            }
        case .write(let cid, let block, let token):
            if kind == 7 {
                exchange.diskReplied(.stored(token, .failure(.full)), at: now)
            } else {
                stored[cid] = block
                exchange.diskReplied(.stored(token, .success(())), at: now)
            }
        case .contains(let cids, let token):
            exchange.diskReplied(.contains(token, cids.map { stored[$0] != nil }), at: now)
        case .readAttestations(_, let token):
            exchange.diskReplied(.attestations(token, []), at: now)
        case .writeAttestation: break
        }
    }

    private mutating func drain() {
        for output in exchange.takeOutputs() {
            switch output {
            case .openStream(_, let stream): opening.append(stream)
            case .write(let stream, let bytes, _): take(bytes, on: stream)
            case .reset(let stream), .release(let stream):
                opening.removeAll { $0 == stream }
                links.removeAll { $0.stream == stream }
            case .disk(let request):
                if case .write(let cid, let block, _) = request {
                    check(cid.matches(block.span.bytes), "a stored block matches its name")
                }
                if case .writeAttestation = request { continue }
                disk.append(request)
            case .findProviders(let cid): searches.append(cid)
            case .fetchEvent(_, let event): take(event)
            case .becameProvider, .becamePartialProvider, .gaveUpProviding, .misbehaved: break
            }
        }
        check(links.count + opening.count <= 16, "peers asked at once")
    }

    private mutating func take(_ bytes: [UInt8], on stream: ContentStream) {
        guard let i = links.firstIndex(where: { $0.stream == stream }), !bytes.isEmpty else {
            return
        }
        let body = links[i].isGreeted ? bytes : Array(bytes.dropFirst())
        links[i].isGreeted = true
        var reader = ByteReader(body.span.bytes)
        do {
            while let request = try links[i].requests.next(&reader) {
                links[i].asked.append(request)
            }
        } catch { check(false, "our requests decode: \(error)") }
    }

    private mutating func take(_ event: FetchEvent) {
        guard event.isFinal else { return }
        check(!isOver, "a fetch ends once")
        isOver = true
        guard case .finished = event else { return }
        for request in disk { if case .write = request { check(false, "finished before stored") } }
        var exporter = Exporter(root: options.root, path: options.path, range: options.range)
        for _ in 0..<100_000 {
            switch exporter.next() {
            case .needBlock(let cid):
                let isNothing = CID(.raw, hashing: RawSpan()) == cid
                guard let block = stored[cid] ?? (isNothing ? [] : nil) else {
                    return check(false, "what is finished is stored: \(cid)")
                }
                exporter.blockArrived(block)
            case .finished: return
            // A block that a tree repeats is fetched once; that it makes no sense in its second place
            // is only seen when it is read there.
            case .failed(.malformed): return
            case .failed(let failure): return check(false, "what is finished exports: \(failure)")
            default: break
            }
        }
    }
}
