/// A handful of real nodes in a world of their own, for tests that read as sentences:
/// `try mesh.join()`, `let cid = try mesh.publish(bytes, on: 3)`, `try mesh.fetch(cid, on: 7)`.
/// Whatever asks something runs the world until the answer is there or the virtual time is up.

import AROContent
import AROCrypto
import ARONode
import AROPrimitives
import AROWire

public class Mesh {
    /// The world beneath: links, faults, disks, counters.
    public var world: World<Node>
    private var answers: [RequestID: Answer] = [:]

    /// What came back for one request.
    public struct Answer: Sendable {
        public let node: Int
        public let asked: Instant
        public var replies: [Reply] = []
        /// When the final reply came.
        public var finished: Instant?

        public var isFinished: Bool { finished != nil }
    }

    public enum Failure: Error, CustomStringConvertible {
        /// No final reply in the given virtual time.
        case timedOut(after: Duration)
        case refused(RequestFailure)
        case fetch(FetchFailure)
        case unexpected(Reply)

        public var description: String {
            switch self {
            case .timedOut(let span): "no final reply after \(span.seconds) s of virtual time"
            case .refused(let failure): failure.description
            case .fetch(let failure): "fetch failed: \(failure)"
            case .unexpected(let reply): "unexpected reply: \(reply)"
            }
        }
    }

    /// How long, in virtual time, a question may take unless said otherwise.
    public static let patience = Duration.minutes(2)

    public init(
        _ count: Int, seed: UInt64 = 1, network: NetworkModel = .constant(.milliseconds(50)),
        link: AccessLink = .unlimited, disk: DiskModel = DiskModel(),
        configuration: Configuration = .simulated
    ) {
        world = .ofNodes(seed: seed, network: network, disk: disk, configuration: configuration)
        for _ in 0..<count { world.addNode(link: link) }
    }

    public var now: Instant { world.now }
    public var trace: TraceHash { world.trace }
    public var nodes: Range<Int> { 0..<world.nodeCount }
    public var running: [Int] { nodes.filter { world.isRunning($0) } }

    public func address(of node: Int) -> SocketAddress { world.address(of: node) }
    public func id(of node: Int) -> PeerID? { world.withResident(node) { $0.id } }

    // MARK: Time

    public func run(for span: Duration) { run(until: now + span) }

    public func run(until limit: Instant) {
        while let happening = world.advance(to: limit) { note(happening) }
    }

    /// Runs until the condition holds; false where it still does not after `span`. It is looked at
    /// after every reply, and every 10 ms of virtual time.
    public func run(
        within span: Duration = Mesh.patience, until condition: () -> Bool
    ) -> Bool {
        let limit = now + span
        while !condition() {
            guard now < limit else { return false }
            let step = min(limit, now + .milliseconds(10))
            if let happening = world.advance(to: step) { note(happening) }
        }
        return true
    }

    private func note(_ happening: Happening) {
        guard case .reply(_, let id, let reply) = happening else { return }
        answers[id]?.replies.append(reply)
        if reply.isFinal { answers[id]?.finished = now }
    }

    // MARK: Requests

    /// Asks, and does not wait.
    public func ask(_ request: Request, of node: Int) -> RequestID {
        let asked = now
        let id = world.request(request, of: node)
        answers[id] = Answer(node: node, asked: asked)
        return id
    }

    public func answer(to id: RequestID) -> Answer? { answers[id] }

    /// Runs until the final reply is there.
    public func wait(for id: RequestID, within span: Duration = Mesh.patience) throws(Failure)
        -> Answer
    {
        let limit = now + span
        while answers[id]?.isFinished == false {
            guard let happening = world.advance(to: limit) else { throw .timedOut(after: span) }
            note(happening)
        }
        return answers[id]!
    }

    /// Asks, runs until the final reply is there, and gives all replies.
    public func request(
        _ request: Request, of node: Int, within span: Duration = Mesh.patience
    ) throws(Failure) -> [Reply] {
        let answer = try wait(for: ask(request, of: node), within: span)
        if case .failed(let failure) = answer.replies.last { throw .refused(failure) }
        return answer.replies
    }

    // MARK: The main job

    /// Everyone joins through `bootstrap`, evenly over `span`; throws where one cannot.
    public func join(
        through bootstrap: Int = 0, over span: Duration = .zero,
        within patience: Duration = .minutes(5)
    ) throws(Failure) {
        let joining = running.filter { $0 != bootstrap }
        let address = address(of: bootstrap)
        var ids: [RequestID] = []
        for node in joining {
            ids.append(ask(.join([address]), of: node))
            run(for: span / Int64(joining.count))
        }
        for id in ids {
            let answer = try wait(for: id, within: patience)
            if case .failed(let failure) = answer.replies.last { throw .refused(failure) }
        }
    }

    /// Stores a file on a node and tells the network. Returns its CID once records are held.
    public func publish(
        _ bytes: [UInt8], on node: Int, within span: Duration = Mesh.patience
    ) throws(Failure) -> CID {
        let cid = store(bytes, on: node)
        _ = try provide(cid, on: node, within: span)
        return cid
    }

    /// Stores a file on a node and tells nobody. Files of up to 1 MiB are one block.
    public func store(_ bytes: [UInt8], on node: Int) -> CID { world.store(file: bytes, on: node) }

    /// Tells the network that a node holds `cid`: by how many of how many it is known.
    public func provide(
        _ cid: CID, on node: Int, within span: Duration = Mesh.patience
    ) throws(Failure) -> (held: Int, wanted: Int) {
        let replies = try request(.provide(cid), of: node, within: span)
        guard case .held(let held, let wanted) = replies.last else {
            throw .unexpected(replies.last ?? .done)
        }
        return (held, wanted)
    }

    /// Fetches content and waits for the end.
    public func fetch(
        _ options: FetchOptions, on node: Int, within span: Duration = Mesh.patience
    ) throws(Failure) -> FetchProgress {
        let replies = try request(.fetch(options), of: node, within: span)
        switch replies.last {
        case .fetch(.finished(let progress)): return progress
        case .fetch(.failed(let failure)): throw .fetch(failure)
        default: throw .unexpected(replies.last ?? .done)
        }
    }

    /// Fetches a file and gives its bytes as they lie on the fetching node's disk.
    public func fetch(
        _ cid: CID, on node: Int, within span: Duration = Mesh.patience
    ) throws(Failure) -> [UInt8]? {
        _ = try fetch(FetchOptions(root: cid), on: node, within: span)
        return world.file(cid, on: node)
    }

    /// Who is found to hold `cid`, asking from a node.
    public func providers(
        of cid: CID, asking node: Int, limit: Int = 20, within span: Duration = Mesh.patience
    ) throws(Failure) -> [Contact] {
        try request(.findProviders(cid, limit: limit), of: node, within: span).compactMap {
            if case .provider(let contact) = $0 { contact } else { nil }
        }
    }

    public func status(of node: Int) throws(Failure) -> NodeStatus {
        let replies = try request(.status, of: node)
        guard case .status(let status) = replies.last else {
            throw .unexpected(replies.last ?? .done)
        }
        return status
    }

    public func peers(of node: Int) throws(Failure) -> [PeerStatus] {
        let replies = try request(.peers, of: node)
        guard case .peers(let peers) = replies.last else {
            throw .unexpected(replies.last ?? .done)
        }
        return peers
    }

    // MARK: Checkers

    /// Running nodes, other than those in `holders`, that find none of them as a provider of `cid`.
    public func nodesThatCannotResolve(_ cid: CID, heldBy holders: [Int]) -> [Int] {
        let wanted = holders.compactMap(id(of:))
        return running.filter { node in
            guard !holders.contains(node) else { return false }
            let found = (try? providers(of: cid, asking: node)) ?? []
            return !found.contains { wanted.contains($0.id) }
        }
    }
}

/// Two nodes and the link between them.
public final class Pair: Mesh {
    public let first = 0
    public let second = 1

    public init(
        seed: UInt64 = 1, network: NetworkModel = .constant(.milliseconds(50)),
        link: AccessLink = .unlimited, disk: DiskModel = DiskModel(),
        configuration: Configuration = .simulated
    ) {
        super.init(
            2, seed: seed, network: network, link: link, disk: disk, configuration: configuration)
    }

    /// The second node joins through the first.
    public func connect(within span: Duration = Mesh.patience) throws(Failure) {
        _ = try request(.join([address(of: first)]), of: second, within: span)
    }
}
