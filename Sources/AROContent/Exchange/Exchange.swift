/// Content exchange as the node's switchboard sees it: all fetches and all serving, behind facts in and
/// outputs out (DESIGN.md section 6).
///
/// Streams are named by tokens of this type's own; peers are handles, of which no address is ever
/// needed. After each call the outputs are drained; their order is the order to act in.

import AROPrimitives
import AROWire

/// A content stream. Never reused.
public struct ContentStream: Hashable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
}

public enum ExchangeOutput: Sendable {
    /// Answered by `streamOpened` or `peerUnreachable`, at some time.
    case openStream(PeerHandle, ContentStream)
    /// At most one array more than the stream has room for. `isFinal`: nothing is written after it.
    case write(ContentStream, [UInt8], isFinal: Bool)
    /// Abandon both directions. The token is not used again.
    case reset(ContentStream)
    /// Deliver what was written, throw away what still comes. The token is not used again.
    case release(ContentStream)
    case disk(DiskRequest)
    /// Answered by `providersFound` any number of times, then once by `providerSearchEnded`.
    case findProviders(CID)
    case fetchEvent(FetchID, FetchEvent)
    /// We hold enough of this content to be told to others.
    case becameProvider(CID)
    case misbehaved(PeerHandle, ExchangeViolation)
}

public struct ExchangeCounters: Hashable, Sendable {
    public var blocksServed: UInt64 = 0
    public var bytesServed: UInt64 = 0
    /// Streams that were refused.
    public var refusals: UInt64 = 0
    public var violations: UInt64 = 0
    public var fetchesRunning = 0
    public var streamsServed = 0
}

public struct Exchange {
    /// A fetch and the streams of its links.
    private struct Running {
        var fetch: Fetch
        var streams: [ContentStream?]
    }

    private enum StreamOwner {
        case fetch(FetchID, link: Int)
        case serving
    }

    private enum DiskOwner {
        case contains(FetchID, [CID])
        case read(FetchID, CID)
        case write(FetchID, CID)
        case attestations(FetchID)
        case served(ServedRequest)
    }

    public let configuration: ExchangeConfiguration
    private var generator: Generator
    private var outputs: [ExchangeOutput] = []

    private var running: [Running] = []
    private var serving: Serving
    private var owners: [ContentStream: StreamOwner] = [:]
    /// What waits for room on streams that we opened.
    private var outgoing: [ContentStream: OutgoingRequests] = [:]
    private var diskOwners: [UInt64: DiskOwner] = [:]
    private var lastStream: UInt64 = 0
    private var lastDiskToken: UInt64 = 0
    /// Searches under way; two fetches of one content share them.
    private var searches: [CID] = []
    private var violations: UInt64 = 0

    public init(configuration: ExchangeConfiguration, generator: Generator) {
        (self.configuration, self.generator) = (configuration, generator)
        serving = Serving(config: configuration)
    }

    /// What is to be done, in order; empty afterwards.
    public mutating func takeOutputs() -> [ExchangeOutput] {
        defer { outputs = [] }
        return outputs
    }

    public var nextDeadline: Instant? {
        running.reduce(serving.nextDeadline) { earliest($0, $1.fetch.nextDeadline) }
    }

    public var counters: ExchangeCounters {
        ExchangeCounters(
            blocksServed: serving.blocksServed, bytesServed: serving.bytesServed,
            refusals: serving.refusals, violations: violations, fetchesRunning: running.count,
            streamsServed: serving.streamCount)
    }

    /// Calls `mark` with every peer whose handle is held here, some more than once.
    public func markUsed(_ mark: (PeerHandle) -> Void) {
        for one in running { for candidate in one.fetch.candidates { mark(candidate.peer) } }
        for peer in serving.servedPeers { mark(peer) }
    }
}

// MARK: - The local user

extension Exchange {
    /// Begins a fetch; `id` must not be in use. What happens is told by `fetchEvent`s.
    public mutating func start(_ options: FetchOptions, _ id: FetchID, at now: Instant) {
        precondition(index(of: id) == nil, "a fetch id was used twice")
        guard running.count < configuration.fetchesMax else {
            outputs.append(.fetchEvent(id, .failed(.tooManyFetches)))
            return
        }
        let fetch = Fetch(id: id, options: options, config: configuration, at: now)
        let streams = [ContentStream?](repeating: nil, count: fetch.links.count)
        running.append(Running(fetch: fetch, streams: streams))
        collect(id, at: now)
    }

    /// Ends a fetch without a further event; one that is over already is no error.
    public mutating func cancel(_ id: FetchID, at now: Instant) {
        guard let i = index(of: id) else { return }
        running[i].fetch.cancelled()
        collect(id, at: now)
    }

    /// Ends all streams with a word of explanation, and all fetches without an event.
    public mutating func shutDown(at now: Instant) {
        for id in running.map(\.fetch.id) { cancel(id, at: now) }
        serving.shutDown()
        collectServing()
    }

    private func index(of id: FetchID) -> Int? { running.firstIndex { $0.fetch.id == id } }
}

// MARK: - Peers

extension Exchange {
    public mutating func providersFound(_ cid: CID, _ peers: [PeerHandle], at now: Instant) {
        // Everyone is told the same order: without chance, all would ask the same peers first.
        var peers = peers
        generator.shuffle(&peers)
        for id in fetches(seeking: cid) {
            running[index(of: id)!].fetch.providersFound(peers, at: now)
            collect(id, at: now)
        }
    }

    public mutating func providerSearchEnded(_ cid: CID, at now: Instant) {
        searches.removeAll { $0 == cid }
        for id in fetches(seeking: cid) {
            running[index(of: id)!].fetch.searchEnded(at: now)
            collect(id, at: now)
        }
    }

    /// The peer cannot be reached: streams to it that were not opened yet never will be.
    public mutating func peerUnreachable(_ peer: PeerHandle, at now: Instant) {
        for id in running.map(\.fetch.id) {
            guard let i = index(of: id) else { continue }
            for number in running[i].fetch.links.indices {
                guard let link = running[i].fetch.links[number], link.peer == peer, !link.isOpen
                else { continue }
                forget(i, link: number)
                running[i].fetch.linkLost(number, isUnreachable: true, at: now)
            }
            collect(id, at: now)
        }
    }

    private func fetches(seeking cid: CID) -> [FetchID] {
        running.filter { $0.fetch.options.root == cid || $0.fetch.walk.target == cid }
            .map(\.fetch.id)
    }
}

// MARK: - Streams

extension Exchange {
    /// A stream that we asked for is open.
    ///
    /// - Parameter room: the bytes that may be written now.
    public mutating func streamOpened(_ stream: ContentStream, room: Int, at now: Instant) {
        guard case .fetch(let id, let link)? = owners[stream], let i = index(of: id) else { return }
        outgoing[stream] = OutgoingRequests(room: room)
        running[i].fetch.linkOpened(link, at: now)
        collect(id, at: now)
    }

    /// A peer opened a stream; its first byte, which says that it is one for content, is not ours to
    /// read. Returns the stream's name.
    public mutating func streamAccepted(
        from peer: PeerHandle, room: Int, at now: Instant
    ) -> ContentStream {
        let stream = nextStream()
        let isServed = serving.opened(stream, by: peer, room: room, at: now)
        if isServed { owners[stream] = .serving }
        collectServing()
        if !isServed { outputs.append(.release(stream)) }
        return stream
    }

    /// - Parameter isFinished: the peer writes nothing more.
    public mutating func streamReceived(
        _ stream: ContentStream, _ bytes: RawSpan, isFinished: Bool, at now: Instant
    ) {
        switch owners[stream] {
        case .serving:
            serving.received(stream, bytes, isFinished: isFinished, at: now)
            collectServing()
        case .fetch(let id, let link):
            guard let i = index(of: id) else { return }
            running[i].fetch.linkReceived(link, bytes, isFinished: isFinished, at: now)
            collect(id, at: now)
        case nil: break
        }
    }

    /// - Parameter room: the bytes that may be written now.
    public mutating func streamWritable(_ stream: ContentStream, room: Int, at now: Instant) {
        switch owners[stream] {
        case .serving:
            serving.writable(stream, room: room, at: now)
            collectServing()
        case .fetch:
            outgoing[stream]?.room = room
            writeRequests(stream)
        case nil: break
        }
    }

    /// The stream is gone, by the peer's doing or with its session.
    public mutating func streamReset(_ stream: ContentStream, at now: Instant) {
        switch owners.removeValue(forKey: stream) {
        case .serving:
            serving.closed(stream)
            collectServing()
        case .fetch(let id, let link):
            guard let i = index(of: id) else { return }
            forget(i, link: link)
            running[i].fetch.linkLost(link, isUnreachable: false, at: now)
            collect(id, at: now)
        case nil: break
        }
    }

    private mutating func nextStream() -> ContentStream {
        lastStream += 1
        return ContentStream(number: lastStream)
    }

    private mutating func forget(_ i: Int, link: Int) {
        guard let stream = running[i].streams[link] else { return }
        running[i].streams[link] = nil
        owners[stream] = nil
        outgoing[stream] = nil
    }

    private mutating func writeRequests(_ stream: ContentStream) {
        while let bytes = outgoing[stream]?.next() {
            outputs.append(.write(stream, bytes, isFinal: false))
        }
    }
}

/// Requests on their way to the transport. Their number is bounded by what may be unanswered.
private struct OutgoingRequests {
    var room: Int
    private var queue: [[UInt8]] = [[StreamProtocol.content.rawValue]]

    init(room: Int) { self.room = room }

    mutating func append(_ bytes: [UInt8]) { queue.append(bytes) }

    /// All that waits, where there is room.
    mutating func next() -> [UInt8]? {
        guard room > 0, !queue.isEmpty else { return nil }
        let bytes = queue.count == 1 ? queue[0] : Array(queue.joined())
        queue = []
        room -= bytes.count
        return bytes
    }
}

// MARK: - The disk and time

extension Exchange {
    public mutating func diskReplied(_ reply: DiskReply, at now: Instant) {
        switch reply {
        case .contains(let token, let held):
            switch diskOwners.removeValue(forKey: token.number) {
            case .contains(let id, let cids):
                tell(id, at: now) { $0.diskContained(cids, held, at: now) }
            case .served(let request):
                serving.diskReplied(request, .haveMap(ExchangeAnswer.haveMap(of: held)))
                collectServing()
            default: break
            }
        case .block(let token, let result): blockRead(token, result, at: now)
        case .stored(let token, let result):
            guard case .write(let id, let cid)? = diskOwners.removeValue(forKey: token.number)
            else { return }
            tell(id, at: now) { $0.diskStored(cid, result, at: now) }
            if case .success = result { storedElsewhere(cid, by: id, at: now) }
        case .attestations(let token, let all):
            switch diskOwners.removeValue(forKey: token.number) {
            case .attestations(let id): tell(id, at: now) { $0.diskAttested(all, at: now) }
            case .served(let request):
                let encoded = all.prefix(ExchangeLimits.attestationsMax).map(\.bytes)
                serving.diskReplied(request, .attestations(encoded))
                collectServing()
            default: break
            }
        }
    }

    private mutating func blockRead(
        _ token: DiskToken, _ result: Result<[UInt8], DiskFailure>, at now: Instant
    ) {
        switch diskOwners.removeValue(forKey: token.number) {
        case .read(let id, let cid): tell(id, at: now) { $0.diskRead(cid, result, at: now) }
        case .served(let request):
            var answer = ExchangeAnswer.missing
            if case .success(let block) = result, (1...WireLimits.blockMax).contains(block.count) {
                answer = .block(block)
            }
            serving.diskReplied(request, answer)
            collectServing()
        default: break
        }
    }

    /// A fetch need not ask for what another one stored.
    private mutating func storedElsewhere(_ cid: CID, by id: FetchID, at now: Instant) {
        for other in running.map(\.fetch.id) where other != id {
            tell(other, at: now) { $0.storedElsewhere(cid, at: now) }
        }
    }

    private mutating func tell(_ id: FetchID, at now: Instant, _ fact: (inout Fetch) -> Void) {
        guard let i = index(of: id) else { return }
        fact(&running[i].fetch)
        collect(id, at: now)
    }

    /// The clock reached ``nextDeadline``; spurious calls are harmless.
    public mutating func deadlinePassed(at now: Instant) {
        serving.deadlinePassed(at: now)
        collectServing()
        for id in running.map(\.fetch.id) {
            guard let i = index(of: id), let due = running[i].fetch.nextDeadline, due <= now
            else { continue }
            running[i].fetch.deadlinePassed(at: now)
            collect(id, at: now)
        }
    }

    private mutating func ask(_ owner: DiskOwner, _ request: (DiskToken) -> DiskRequest) {
        lastDiskToken += 1
        diskOwners[lastDiskToken] = owner
        outputs.append(.disk(request(DiskToken(number: lastDiskToken))))
    }
}

// MARK: - Decisions out

extension Exchange {
    /// Turns what a fetch wants done into outputs.
    private mutating func collect(_ id: FetchID, at now: Instant) {
        guard let i = index(of: id) else { return }
        var steps: [FetchStep] = []
        swap(&steps, &running[i].fetch.steps)
        for step in steps { act(step, i, id) }
        for case let stream? in running[i].streams { writeRequests(stream) }
        if running[i].fetch.phase == .ended { running.remove(at: i) }
    }

    private mutating func act(_ step: FetchStep, _ i: Int, _ id: FetchID) {
        switch step {
        case .contains(let cids): ask(.contains(id, cids)) { .contains(cids, $0) }
        case .read(let cid): ask(.read(id, cid)) { .read(cid, $0) }
        case .write(let cid, let block): ask(.write(id, cid)) { .write(cid, block, $0) }
        case .readAttestations(let root): ask(.attestations(id)) { .readAttestations(root, $0) }
        case .writeAttestation(let one): outputs.append(.disk(.writeAttestation(one)))
        case .open(let peer, let link):
            let stream = nextStream()
            running[i].streams[link] = stream
            owners[stream] = .fetch(id, link: link)
            outputs.append(.openStream(peer, stream))
        case .send(let bytes, let link):
            if let stream = running[i].streams[link] { outgoing[stream]?.append(bytes) }
        case .leave(let link, let abruptly): leave(i, link, abruptly: abruptly)
        case .findProviders(let cid):
            guard !searches.contains(cid) else { return }
            searches.append(cid)
            outputs.append(.findProviders(cid))
        case .tell(let event): outputs.append(.fetchEvent(id, event))
        case .holds(let cid): outputs.append(.becameProvider(cid))
        case .misbehaved(let peer, let violation): misbehaved(peer, violation)
        }
    }

    private mutating func leave(_ i: Int, _ link: Int, abruptly: Bool) {
        guard let stream = running[i].streams[link] else { return }
        let isGreeted = outgoing[stream] != nil
        forget(i, link: link)
        if abruptly || !isGreeted {
            outputs.append(.reset(stream))
        } else {
            outputs.append(.write(stream, [], isFinal: true))
            outputs.append(.release(stream))
        }
    }

    private mutating func misbehaved(_ peer: PeerHandle, _ violation: ExchangeViolation) {
        violations += 1
        outputs.append(.misbehaved(peer, violation))
    }

    private mutating func collectServing() {
        var steps: [ServingStep] = []
        swap(&steps, &serving.steps)
        for step in steps {
            switch step {
            case .read(let request, let cid): ask(.served(request)) { .read(cid, $0) }
            case .contains(let request, let cids):
                ask(.served(request)) { .contains(cids, $0) }
            case .readAttestations(let request, let root):
                ask(.served(request)) { .readAttestations(root, $0) }
            case .write(let stream, let bytes, let isFinal):
                outputs.append(.write(stream, bytes, isFinal: isFinal))
                if isFinal { release(stream) }
            case .reset(let stream):
                owners[stream] = nil
                outputs.append(.reset(stream))
            case .misbehaved(let peer, let violation): misbehaved(peer, violation)
            }
        }
    }

    /// A served stream got its last bytes.
    private mutating func release(_ stream: ContentStream) {
        guard owners.removeValue(forKey: stream) != nil else { return }
        outputs.append(.release(stream))
    }
}
