/// The tests' world: `Exchange` values and hostile peers, linked by streams with latency and rate, with
/// disks in memory, in virtual time.

import AROPrimitives
import AROWire

@testable import AROContent

/// A disk in memory that answers late.
struct MemoryDisk {
    var blocks: [CID: [UInt8]] = [:]
    var attestations: [CID: [Attestation]] = [:]
    /// Blocks that turn out to be damaged when they are read.
    var corrupt: Set<CID> = []
    var delay = Duration.microseconds(200)
    var writeDelay = Duration.microseconds(400)
    /// Bytes that still fit.
    var free = Int.max
    var reads = 0
    var writes: [CID] = []
    /// Bytes of writes that were not confirmed yet, now and at most.
    var writing = 0

    mutating func reply(to request: DiskRequest) -> DiskReply? {
        switch request {
        case .read(let cid, let token):
            reads += 1
            guard let block = blocks[cid] else { return .block(token, .failure(.notFound)) }
            guard corrupt.remove(cid) == nil else {
                blocks[cid] = nil
                return .block(token, .failure(.corrupt))
            }
            return .block(token, .success(block))
        case .write(let cid, let block, let token):
            guard block.count <= free else { return .stored(token, .failure(.full)) }
            free -= block.count
            blocks[cid] = block
            writes.append(cid)
            return .stored(token, .success(()))
        case .contains(let cids, let token):
            precondition(cids.count <= 1_024)
            return .contains(token, cids.map { blocks[$0] != nil })
        case .readAttestations(let root, let token):
            return .attestations(token, attestations[root] ?? [])
        case .writeAttestation(let attestation):
            attestations[attestation.root, default: []].append(attestation)
            return nil
        }
    }
}

/// What a hostile peer answers to a request; nil for nothing.
typealias Rogue = (ExchangeRequest) -> [UInt8]?

struct SwarmNode {
    var exchange: Exchange
    var disk = MemoryDisk()
    var rogue: Rogue?
    var isDown = false
    /// Bytes a second out.
    var rate = 10_000_000
    var sendsUntil = Instant.origin
    var timerAt: Instant?

    // What came out.
    var events: [FetchEvent] = []
    var provided: [CID] = []
    var providedInPart: [CID] = []
    var gaveUp: [CID] = []
    var misbehaved: [PeerHandle: [ExchangeViolation]] = [:]
    var searches = 0
    /// Block bytes of this node's fetches that it holds: received and not yet confirmed by its disk.
    var bytesReceived = 0
    var bytesHeldMax = 0
    var bytesStored = 0
}

/// One side of a stream.
struct SwarmEnd {
    var node: Int
    var token: ContentStream?
    var other: Int
    var backlog = 0
    var isGone = false
    /// Its bytes are still sent, and none are received.
    var isReleased = false
    var requests = ExchangeRequestDecoder()
    var isGreeted = false
}

final class Swarm {
    enum Event {
        case opened(end: Int)
        case unreachable(node: Int, peer: Int)
        case bytes(end: Int, [UInt8], isFinal: Bool)
        case sent(end: Int, Int)
        case reset(end: Int)
        case disk(node: Int, DiskReply)
        case diskRequest(node: Int, DiskRequest)
        case providers(node: Int, CID)
        case searched(node: Int, CID)
        case timer(node: Int)
        case script(() -> Void)
    }

    private struct Entry {
        var at: Instant
        var number: Int
        var event: Event
    }

    var now = Instant.origin
    var nodes: [SwarmNode] = []
    var ends: [SwarmEnd] = []
    /// Who is told to whoever searches.
    var providers: [Int] = []
    /// Whether who holds something is found by others.
    var isTelling = false
    var latency = Duration.milliseconds(10)
    var sendBuffer = 256 << 10
    var segment = 16 << 10
    private var heap: [Entry] = []
    private var lastNumber = 0
    private var lastTimer = Instant.origin
    private var timersAtOnce = 0
    private(set) var eventCount = 0

    @discardableResult
    func add(
        rate: Int = 10_000_000, _ configuration: ExchangeConfiguration = ExchangeConfiguration()
    ) -> Int {
        let generator = Generator(seed: UInt64(nodes.count + 1))
        var node = SwarmNode(
            exchange: Exchange(configuration: configuration, generator: generator))
        node.rate = rate
        nodes.append(node)
        return nodes.count - 1
    }

    /// A node that holds these blocks and is found by whoever searches.
    @discardableResult
    func addProvider(rate: Int = 10_000_000, _ blocks: [ImportedBlock]) -> Int {
        let node = add(rate: rate)
        for block in blocks { nodes[node].disk.blocks[block.cid] = block.bytes }
        providers.append(node)
        return node
    }

    @discardableResult
    func addRogue(rate: Int = 10_000_000, _ rogue: @escaping Rogue) -> Int {
        let node = addProvider(rate: rate, [])
        nodes[node].rogue = rogue
        return node
    }

    func fetch(_ options: FetchOptions, by node: Int, id: UInt64 = 1) {
        nodes[node].exchange.start(options, FetchID(number: id), at: now)
        drain(node)
    }

    func outcome(of node: Int) -> FetchEvent? { nodes[node].events.last { $0.isFinal } }

    func finished(_ node: Int) -> FetchProgress? {
        if case .finished(let progress)? = outcome(of: node) { progress } else { nil }
    }

    func failure(_ node: Int) -> FetchFailure? {
        if case .failed(let failure)? = outcome(of: node) { failure } else { nil }
    }

    // MARK: Time

    func after(_ delay: Duration, _ script: @escaping () -> Void) {
        push(.script(script), at: now + delay)
    }

    /// Runs until the fetches of `node` are over, for at most `limit` of virtual time.
    func run(until node: Int, limit: Duration = .seconds(600)) {
        let end = now + limit
        while outcome(of: node) == nil, step(before: end) {}
    }

    func run(for time: Duration) {
        let end = now + time
        while step(before: end) {}
        now = end
    }

    private func step(before end: Instant) -> Bool {
        guard let first = heap.first, first.at <= end else { return false }
        pop()
        now = first.at
        eventCount += 1
        precondition(eventCount < 3_000_000, "the world does not come to rest")
        handle(first.event)
        return true
    }

    private func push(_ event: Event, at: Instant) {
        lastNumber += 1
        heap.append(Entry(at: at, number: lastNumber, event: event))
        var i = heap.count - 1
        while i > 0, precedes(i, (i - 1) / 2) {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    private func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            if least == i { return }
            heap.swapAt(i, least)
            i = least
        }
    }

    private func precedes(_ i: Int, _ j: Int) -> Bool {
        (heap[i].at, heap[i].number) < (heap[j].at, heap[j].number)
    }

    // MARK: Events

    private func handle(_ event: Event) {
        switch event {
        case .opened(let end): opened(end)
        case .unreachable(let node, let peer):
            nodes[node].exchange.peerUnreachable(handle(peer), at: now)
            drain(node)
        case .bytes(let end, let bytes, let isFinal): received(end, bytes, isFinal)
        case .sent(let end, let count):
            ends[end].backlog -= count
            guard let token = ends[end].token, !ends[end].isGone, !ends[end].isReleased else {
                return
            }
            let room = sendBuffer - ends[end].backlog
            nodes[ends[end].node].exchange.streamWritable(token, room: room, at: now)
            drain(ends[end].node)
        case .reset(let end):
            guard let token = ends[end].token, !ends[end].isGone, !ends[end].isReleased else {
                return
            }
            ends[end].isGone = true
            nodes[ends[end].node].exchange.streamReset(token, at: now)
            drain(ends[end].node)
        case .diskRequest(let node, let request): perform(request, node)
        case .disk(let node, let reply):
            nodes[node].exchange.diskReplied(reply, at: now)
            drain(node)
        case .providers(let node, let cid):
            let peers = providers.filter { $0 != node }.map(handle)
            nodes[node].exchange.providersFound(cid, peers, at: now)
            drain(node)
        case .searched(let node, let cid):
            nodes[node].exchange.providerSearchEnded(cid, at: now)
            drain(node)
        case .timer(let node):
            guard let at = nodes[node].timerAt, at <= now else { return }
            nodes[node].timerAt = nil
            timersAtOnce = now == lastTimer ? timersAtOnce + 1 : 0
            lastTimer = now
            precondition(timersAtOnce < 1_000, "a deadline that is never over")
            nodes[node].exchange.deadlinePassed(at: now)
            drain(node)
        case .script(let script): script()
        }
    }

    func handle(_ node: Int) -> PeerHandle { PeerHandle(index: UInt32(node)) }

    private func opened(_ end: Int) {
        guard !ends[end].isGone, let token = ends[end].token else { return }
        let node = ends[end].node
        nodes[node].exchange.streamOpened(token, room: sendBuffer, at: now)
        drain(node)
    }

    private func perform(_ request: DiskRequest, _ node: Int) {
        if case .write(_, let block, _) = request { nodes[node].bytesStored += block.count }
        guard let reply = nodes[node].disk.reply(to: request) else { return }
        push(.disk(node: node, reply), at: now)
    }

    private func received(_ end: Int, _ bytes: [UInt8], _ isFinal: Bool) {
        guard !ends[end].isGone, !ends[end].isReleased, !nodes[ends[end].node].isDown else {
            return
        }
        let node = ends[end].node
        if nodes[node].rogue != nil { return receivedByRogue(end, bytes) }
        var rest = bytes.span.bytes.extracting(0..<bytes.count)
        if !ends[end].isGreeted, ends[end].token == nil {
            precondition(bytes.first == StreamProtocol.content.rawValue)
            ends[end].isGreeted = true
            ends[end].token = nodes[node].exchange.streamAccepted(
                from: handle(ends[ends[end].other].node), room: sendBuffer, at: now)
            rest = bytes.span.bytes.extracting(1..<bytes.count)
        }
        guard let token = ends[end].token else { return }
        nodes[node].bytesReceived += bytes.count
        let held = nodes[node].bytesReceived - nodes[node].bytesStored
        nodes[node].bytesHeldMax = max(nodes[node].bytesHeldMax, held)
        nodes[node].exchange.streamReceived(token, rest, isFinished: isFinal, at: now)
        drain(node)
    }

    private func receivedByRogue(_ end: Int, _ bytes: [UInt8]) {
        var reader = ByteReader(bytes.span.bytes)
        if !ends[end].isGreeted, bytes.count > 0 {
            ends[end].isGreeted = true
            _ = try? reader.u8()
        }
        while let request = try? ends[end].requests.next(&reader) {
            if let answer = nodes[ends[end].node].rogue!(request) {
                write(answer, from: end, isFinal: false)
            }
        }
    }

    // MARK: Outputs

    func drain(_ node: Int) {
        for output in nodes[node].exchange.takeOutputs() { act(output, node) }
        guard let next = nodes[node].exchange.nextDeadline else { return }
        if nodes[node].timerAt != next {
            nodes[node].timerAt = next
            push(.timer(node: node), at: max(next, now))
        }
    }

    private func act(_ output: ExchangeOutput, _ node: Int) {
        switch output {
        case .openStream(let peer, let token): open(token, from: node, to: Int(peer.index))
        case .write(let token, let bytes, let isFinal):
            guard let end = end(node, token) else { return }
            write(bytes, from: end, isFinal: isFinal)
        case .reset(let token):
            guard let end = end(node, token) else { return }
            ends[end].isGone = true
            push(.reset(end: ends[end].other), at: now + latency)
        case .release(let token):
            if let end = end(node, token) { ends[end].isReleased = true }
        case .disk(let request):
            var delay = nodes[node].disk.delay
            if case .write = request { delay = nodes[node].disk.writeDelay }
            push(.diskRequest(node: node, request), at: now + delay)
        case .findProviders(let cid):
            nodes[node].searches += 1
            push(.providers(node: node, cid), at: now + latency * 4)
            push(.searched(node: node, cid), at: now + latency * 8)
        case .fetchEvent(_, let event): nodes[node].events.append(event)
        case .becameProvider(let cid):
            nodes[node].provided.append(cid)
            if isTelling, !providers.contains(node) { providers.append(node) }
        case .becamePartialProvider(let cid):
            nodes[node].providedInPart.append(cid)
            if isTelling, !providers.contains(node) { providers.append(node) }
        case .gaveUpProviding(let cid):
            nodes[node].gaveUp.append(cid)
            if isTelling { providers.removeAll { $0 == node } }
        case .misbehaved(let peer, let violation):
            nodes[node].misbehaved[peer, default: []].append(violation)
        }
    }

    private func end(_ node: Int, _ token: ContentStream) -> Int? {
        ends.lastIndex { $0.node == node && $0.token == token && !$0.isGone && !$0.isReleased }
    }

    private func open(_ token: ContentStream, from node: Int, to peer: Int) {
        guard !nodes[peer].isDown else {
            push(.unreachable(node: node, peer: peer), at: now + .seconds(3))
            return
        }
        let end = ends.count
        ends.append(SwarmEnd(node: node, token: token, other: end + 1))
        ends.append(SwarmEnd(node: peer, token: nil, other: end))
        push(.opened(end: end), at: now + latency * 2)
    }

    /// Sends over the node's uplink, segment by segment.
    func write(_ bytes: [UInt8], from end: Int, isFinal: Bool) {
        let node = ends[end].node
        let other = ends[end].other
        ends[end].backlog += bytes.count
        var rest = bytes[...]
        repeat {
            let piece = Array(rest.prefix(segment))
            rest = rest.dropFirst(segment)
            let takes = Duration.nanoseconds(
                Int64(piece.count) * 1_000_000_000 / Int64(nodes[node].rate))
            nodes[node].sendsUntil = max(nodes[node].sendsUntil, now) + takes
            push(.sent(end: end, piece.count), at: nodes[node].sendsUntil)
            push(
                .bytes(end: other, piece, isFinal: isFinal && rest.isEmpty),
                at: nodes[node].sendsUntil + latency)
        } while !rest.isEmpty
    }

    /// A node vanishes: its streams break after a while, new ones cannot be opened.
    func kill(_ node: Int, noticedAfter delay: Duration = .seconds(1)) {
        nodes[node].isDown = true
        for end in ends.indices where ends[end].node == node {
            ends[end].isGone = true
            push(.reset(end: ends[end].other), at: now + delay)
        }
    }
}

// MARK: - Content

/// A file in small leaves, so that a few MiB make a tree of three levels.
func makeFile(
    _ byteCount: Int, seed: UInt64 = 7, leaf: Int = 4_096, links: Int = 32
) -> (root: CID, bytes: [UInt8], blocks: [ImportedBlock]) {
    var generator = Generator(seed: seed)
    var bytes = [UInt8](repeating: 0, count: byteCount)
    bytes.withUnsafeMutableBytes { bytes in
        for offset in stride(from: 0, through: byteCount - 8, by: 8) {
            bytes.storeBytes(
                of: generator.next().littleEndian, toByteOffset: offset, as: UInt64.self)
        }
    }
    let profile = ImportProfile(leafByteCount: leaf, linksMax: links)
    let (root, blocks) = importFile(bytes, profile: profile)
    return (root.cid, bytes, blocks)
}

/// A configuration scaled down to ``makeFile``'s leaves.
var smallConfiguration: ExchangeConfiguration {
    var configuration = ExchangeConfiguration()
    configuration.windowMin = 8 << 10
    configuration.stallBytesMin = 1 << 10
    return configuration
}
