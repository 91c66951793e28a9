/// Answering peers: every stream gets its answers in order, reads are bounded by stream, by peer and
/// in all, and peers take turns, so that one with many streams gets no more than one with few.
///
/// Backpressure is the transport's room: nothing is read for a stream that has none, and an answer
/// overshoots it by one block at most. A stream that takes nothing is ended, at once where others wait
/// for the memory that it holds.

import AROPrimitives
import AROCrypto
import AROWire

/// What serving wants done.
enum ServingStep {
    case read(ServedRequest, CID)
    case contains(ServedRequest, [CID])
    case readAttestations(ServedRequest, CID)
    case write(ContentStream, [UInt8], isFinal: Bool)
    case reset(ContentStream)
    case misbehaved(PeerHandle, ExchangeViolation)
    /// A peer asked for blocks, of which these are some.
    case asked(PeerHandle, ArraySlice<CID>)
}

/// Which request of which stream a disk reply belongs to.
struct ServedRequest: Hashable {
    var stream: ContentStream
    var number: UInt64
}

struct Serving {
    private struct Peer {
        let peer: PeerHandle
        var streams: [ContentStream]
        /// Whose turn it is.
        var turn = 0
        var held = 0
    }

    private let shared: Shared<ExchangeConfiguration>
    var config: ExchangeConfiguration { shared.value }
    var steps: [ServingStep] = []
    private var streams: [ContentStream: ServedStream] = [:]
    private var peers: [Peer] = []
    private var turn = 0
    private var held = 0
    /// Somebody waits for memory that others hold.
    private var isPressed = false
    /// When to look for streams that take nothing; nil while there are none.
    private(set) var nextDeadline: Instant?
    private(set) var blocksServed: UInt64 = 0
    private(set) var bytesServed: UInt64 = 0
    private(set) var refusals: UInt64 = 0

    init(_ shared: Shared<ExchangeConfiguration>) { self.shared = shared }

    var streamCount: Int { streams.count }
    /// Bytes of blocks being read or waiting for room.
    var bytesHeld: Int { held }
    var servedPeers: [PeerHandle] { peers.map(\.peer) }
}

// MARK: - Streams

extension Serving {
    /// Whether the stream is served; a refused one has been answered already and is to be forgotten.
    mutating func opened(
        _ stream: ContentStream, by peer: PeerHandle, room: Int, at now: Instant
    ) -> Bool {
        let ofPeer = peers.first { $0.peer == peer }?.streams.count ?? 0
        guard ofPeer < config.servedStreamsPerPeerMax,
            streams.count < config.servedStreamsMax || endIdle(at: now)
        else {
            refuse(stream, .busy)
            return false
        }
        // An idle stream that gave way may have been its peer's last.
        let i = peers.firstIndex { $0.peer == peer }
        streams[stream] = ServedStream(peer: peer, room: room, at: now)
        if nextDeadline == nil { nextDeadline = now + Self.sweepInterval }
        if let i {
            peers[i].streams.append(stream)
        } else {
            peers.append(Peer(peer: peer, streams: [stream]))
        }
        return true
    }

    /// Where no more streams are served: the one that asked for nothing for longest gives way, so
    /// that peers who only hold streams keep nobody else out. False where all are in use.
    private mutating func endIdle(at now: Instant) -> Bool {
        var idlest: ContentStream?
        for stream in peers.flatMap(\.streams) {
            guard streams[stream]!.entries.isEmpty,
                streams[stream]!.activeAt + config.servedPressedTimeout <= now
            else { continue }
            if let other = idlest, streams[other]!.activeAt <= streams[stream]!.activeAt {
                continue
            }
            idlest = stream
        }
        guard let idlest else { return false }
        end(idlest)
        return true
    }

    mutating func received(
        _ stream: ContentStream, _ bytes: RawSpan, isFinished: Bool, at now: Instant
    ) {
        guard streams[stream] != nil else { return }
        streams[stream]!.activeAt = now
        do throws(DecodingFailure) {
            var reader = ByteReader(bytes)
            while let request = try streams[stream]!.decoder.next(&reader) {
                let before = streams[stream]!.held
                noteAsked(request, by: streams[stream]!.peer)
                guard streams[stream]!.requested(request) else {
                    return offended(stream, .tooManyRequests)
                }
                account(stream, before)
            }
            if isFinished, !streams[stream]!.decoder.isBetweenFrames { throw .truncated }
        } catch { return offended(stream, .malformed(error)) }
        if isFinished { streams[stream]!.isFinished = true }
        serve()
        flush(stream)
    }

    /// Blocks of one question that are looked at for what the peer is after (a guess).
    private static let askedLookedAt = 32

    private mutating func noteAsked(_ request: ExchangeRequest, by peer: PeerHandle) {
        switch request {
        case .want(let cids), .have(let cids):
            steps.append(.asked(peer, cids.prefix(Self.askedLookedAt)))
        case .attestations, .cancel: break
        }
    }

    mutating func writable(_ stream: ContentStream, room: Int, at now: Instant) {
        guard let old = streams[stream]?.room else { return }
        streams[stream]!.madeRoom(room - old, config.stallBytesMin, at: now)
        flush(stream)
        serve()
    }

    /// The transport lost it.
    mutating func closed(_ stream: ContentStream) {
        guard streams[stream] != nil else { return }
        forget(stream)
        serve()
    }

    mutating func diskReplied(_ request: ServedRequest, _ answer: ExchangeAnswer) {
        guard let before = streams[request.stream]?.held else { return }
        streams[request.stream]!.answered(request.number, answer)
        account(request.stream, before)
        flush(request.stream)
        serve()
    }

    private mutating func offended(_ stream: ContentStream, _ violation: ExchangeViolation) {
        steps.append(.misbehaved(streams[stream]!.peer, violation))
        end(stream)
        serve()
    }

    private mutating func end(_ stream: ContentStream) {
        steps.append(.reset(stream))
        forget(stream)
    }

    private mutating func refuse(_ stream: ContentStream, _ reason: ExchangeRefusal) {
        refusals += 1
        var bytes: [UInt8] = []
        bytes.append(.refused(reason))
        steps.append(.write(stream, bytes, isFinal: true))
    }

    private mutating func forget(_ stream: ContentStream) {
        guard let old = streams.removeValue(forKey: stream),
            let i = peers.firstIndex(where: { $0.peer == old.peer })
        else { return }
        held -= old.held
        peers[i].held -= old.held
        peers[i].streams.removeAll { $0 == stream }
        if peers[i].streams.isEmpty { peers.remove(at: i) }
    }

    /// Ends everything with a word of explanation.
    mutating func shutDown() {
        for stream in peers.flatMap(\.streams) {
            refuse(stream, .shuttingDown)
            forget(stream)
        }
    }
}

// MARK: - Taking turns

extension Serving {
    /// Begins reads, peer by peer, while bounds allow.
    private mutating func serve() {
        var idle = 0
        isPressed = false
        while idle < peers.count {
            turn = turn < peers.count ? turn : 0
            if startOne(of: turn) { idle = 0 } else { idle += 1 }
            turn += 1
        }
    }

    /// Begins one request of a peer; false where there is none or it may not begin.
    private mutating func startOne(of i: Int) -> Bool {
        for _ in peers[i].streams.indices {
            peers[i].turn = peers[i].turn < peers[i].streams.count ? peers[i].turn : 0
            let stream = peers[i].streams[peers[i].turn]
            peers[i].turn += 1
            guard let charge = streams[stream]!.nextCharge, mayHold(charge, stream, i)
            else { continue }
            start(stream)
            return true
        }
        return false
    }

    private mutating func mayHold(_ charge: Int, _ stream: ContentStream, _ i: Int) -> Bool {
        let ofStream = streams[stream]!.held
        guard ofStream == 0 || ofStream + charge <= config.servedBytesPerStreamMax else {
            return false
        }
        guard peers[i].held == 0 || peers[i].held + charge <= config.servedBytesPerPeerMax else {
            return false
        }
        guard held == 0 || held + charge <= config.servedBytesMax else {
            isPressed = true
            return false
        }
        return true
    }

    private mutating func start(_ stream: ContentStream) {
        let before = streams[stream]!.held
        guard let (number, asked) = streams[stream]!.start() else { return flush(stream) }
        account(stream, before)
        let request = ServedRequest(stream: stream, number: number)
        switch asked {
        case .block(let cid): steps.append(.read(request, cid))
        case .have(let cids): steps.append(.contains(request, cids))
        case .attestations(let root): steps.append(.readAttestations(request, root))
        }
    }

    private mutating func account(_ stream: ContentStream, _ before: Int) {
        let change = streams[stream]!.held - before
        held += change
        if let i = peers.firstIndex(where: { $0.peer == streams[stream]!.peer }) {
            peers[i].held += change
        }
    }
}

// MARK: - Writing

extension Serving {
    /// Writes what is ready while there is room. Blocks go out as the arrays that the disk gave.
    private mutating func flush(_ stream: ContentStream) {
        guard let before = streams[stream]?.held else { return }
        var small: [UInt8] = []
        while let answer = streams[stream]!.nextAnswer() {
            if case .block(let block) = answer {
                small.appendBlockHeader(byteCount: block.count)
                write(small, block, to: stream)
                small = []
            } else {
                small.append(answer)
            }
        }
        account(stream, before)
        let isDone = streams[stream]!.isFinished && streams[stream]!.entries.isEmpty
        if isDone || !small.isEmpty {
            steps.append(.write(stream, small, isFinal: isDone))
            streams[stream]!.room -= small.count
        }
        if isDone { forget(stream) }
    }

    /// A block with what goes before it: as one array where the latter would use up the room, for
    /// a transport takes a whole array or, without room, nothing.
    private mutating func write(_ head: [UInt8], _ block: [UInt8], to stream: ContentStream) {
        if streams[stream]!.room > head.count {
            steps.append(.write(stream, head, isFinal: false))
            steps.append(.write(stream, block, isFinal: false))
        } else {
            steps.append(.write(stream, head + block, isFinal: false))
        }
        streams[stream]!.room -= head.count + block.count
        blocksServed += 1
        bytesServed += UInt64(block.count)
    }
}

// MARK: - Time

extension Serving {
    /// How exactly time-outs are kept.
    private static let sweepInterval = Duration.seconds(1)

    /// When the stream is ended unless something happens; nil while we owe an answer.
    private func deadline(of stream: ServedStream) -> Instant? {
        if stream.isBlocked {
            let patience = isPressed ? config.servedPressedTimeout : config.servedStallTimeout
            return stream.activeAt + patience
        }
        return stream.entries.isEmpty ? stream.activeAt + config.servedIdleTimeout : nil
    }

    mutating func deadlinePassed(at now: Instant) {
        guard let next = nextDeadline, next <= now else { return }
        let due = peers.flatMap(\.streams).filter {
            deadline(of: streams[$0]!).map { $0 <= now } ?? false
        }
        for stream in due { end(stream) }
        if !due.isEmpty { serve() }
        nextDeadline = streams.isEmpty ? nil : now + Self.sweepInterval
    }
}
