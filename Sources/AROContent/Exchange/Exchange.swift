/// Content exchange as the node's switchboard sees it: all fetches and all serving, behind facts in and
/// outputs out.
///
/// Streams are named by tokens of this type's own; peers are handles, of which no address is ever
/// needed. After each call the outputs are drained; their order is the order to act in.

import AROPrimitives
import AROWire

/// A stream that the exchange named; its numbers have the top bit clear.
public typealias ContentStream = StreamToken

public enum ExchangeOutput: Sendable {
    /// Answered by `streamOpened` or `peerUnreachable`, at some time.
    case openStream(PeerHandle, ContentStream)
    /// Only while there is room, which one array may overshoot. `isFinal`: nothing is written after
    /// it. Once all writes of a drain were carried out, `streamWritable` must tell the room that is
    /// left, or as soon as there is some.
    case write(ContentStream, [UInt8], isFinal: Bool)
    /// Abandon both directions. The token is not used again.
    case reset(ContentStream)
    /// Deliver what was written, throw away what still comes. The token is not used again.
    case release(ContentStream)
    case disk(DiskRequest)
    /// Answered by `providersFound` any number of times, then once by `providerSearchEnded`.
    case findProviders(CID)
    case fetchEvent(FetchID, FetchEvent)
    /// We hold all of this content: others are to be told.
    case becameProvider(CID)
    /// We hold some of it, and more by and by: others are to be told for as long as that goes on.
    case becamePartialProvider(CID)
    /// What we hold of it will not become more.
    case gaveUpProviding(CID)
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
    struct Running {
        var fetch: Fetch
        var streams: [ContentStream?]
    }

    enum StreamOwner {
        case fetch(FetchID, link: Int)
        case serving
    }

    enum DiskOwner {
        case contains(FetchID, [CID])
        case read(FetchID, CID)
        case write(FetchID, CID)
        case attestations(FetchID)
        case served(ServedRequest)
    }

    private let shared: Shared<ExchangeConfiguration>
    public var configuration: ExchangeConfiguration { shared.value }
    private var generator: Generator
    var outputs: [ExchangeOutput] = []

    var running: [Running] = []
    var serving: Serving
    var owners: [ContentStream: StreamOwner] = [:]
    /// What waits for room on streams that we opened.
    var outgoing: [ContentStream: OutgoingRequests] = [:]
    var diskOwners: [UInt64: DiskOwner] = [:]
    var lastStream: UInt64 = 0
    var lastDiskToken: UInt64 = 0
    /// Searches under way; two fetches of one content share them.
    var searches: [CID] = []
    var violations: UInt64 = 0

    public init(configuration: ExchangeConfiguration, generator: Generator) {
        self.init(Shared(configuration), generator: generator)
    }

    /// - Parameter shared: kept, and not copied.
    package init(_ shared: Shared<ExchangeConfiguration>, generator: Generator) {
        (self.shared, self.generator) = (shared, generator)
        serving = Serving(shared)
    }

    /// What is to be done, in order; empty afterwards.
    public mutating func takeOutputs() -> [ExchangeOutput] {
        guard !outputs.isEmpty else { return [] }
        defer { outputs = [] }
        return outputs
    }

    @inline(__always)
    public var nextDeadline: Instant? {
        running.isEmpty ? serving.nextDeadline : firstDeadline
    }

    /// ``nextDeadline`` for who asks after every input: a borrowed value of this size is copied for
    /// a call, a mutable one is not.
    package mutating func dueNext() -> Instant? { nextDeadline }

    @inline(__always)
    private var firstDeadline: Instant? {
        running.reduce(serving.nextDeadline) { earliest($0, $1.fetch.nextDeadline) }
    }

    public var counters: ExchangeCounters {
        ExchangeCounters(
            blocksServed: serving.blocksServed, bytesServed: serving.bytesServed,
            refusals: serving.refusals, violations: violations, fetchesRunning: running.count,
            streamsServed: serving.streamCount)
    }

    /// Bytes of blocks being read for peers or waiting for room to be sent.
    package var bytesServing: Int { serving.bytesHeld }

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
        let fetch = Fetch(
            id: id, options: options, config: configuration, salt: generator.next(), at: now)
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
        collectServing(at: now)
    }

    func index(of id: FetchID) -> Int? { running.firstIndex { $0.fetch.id == id } }
}

// MARK: - Peers

extension Exchange {
    public mutating func providersFound(_ cid: CID, _ peers: [PeerHandle], at now: Instant) {
        for id in fetches(seeking: cid) {
            running[index(of: id)!].fetch.providersFound(peers, &generator, at: now)
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

    /// The peer cannot be reached, or went away: streams to it are lost, or will never be open.
    public mutating func peerUnreachable(_ peer: PeerHandle, at now: Instant) {
        for id in running.map(\.fetch.id) {
            guard let i = index(of: id) else { continue }
            for number in running[i].fetch.links.indices {
                guard let link = running[i].fetch.links[number], link.peer == peer else { continue }
                if link.isOpen, let stream = running[i].streams[number] {
                    outputs.append(.reset(stream))
                }
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
        collectServing(at: now)
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
            collectServing(at: now)
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
            collectServing(at: now)
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
            collectServing(at: now)
        case .fetch(let id, let link):
            guard let i = index(of: id) else { return }
            forget(i, link: link)
            running[i].fetch.linkLost(link, isUnreachable: false, at: now)
            collect(id, at: now)
        case nil: break
        }
    }

    mutating func nextStream() -> ContentStream {
        lastStream += 1
        return ContentStream(number: lastStream)
    }

    mutating func forget(_ i: Int, link: Int) {
        guard let stream = running[i].streams[link] else { return }
        running[i].streams[link] = nil
        owners[stream] = nil
        outgoing[stream] = nil
    }

    mutating func writeRequests(_ stream: ContentStream) {
        while let bytes = outgoing[stream]?.next() {
            outputs.append(.write(stream, bytes, isFinal: false))
        }
    }
}

/// Requests on their way to the transport. Their number is bounded by what may be unanswered.
struct OutgoingRequests {
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
