/// What can be asked of a running node.

import ARONode
import AROContent
import AROPrimitives
import AROWire

/// How many of the peers that should keep a record were seen to hold it, by reading it back.
public struct Held: Hashable, Sendable {
    public var held: Int
    public var wanted: Int

    public init(held: Int, wanted: Int) { (self.held, self.wanted) = (held, wanted) }
}

/// What a mutable name points to.
public struct ResolvedName: Hashable, Sendable {
    public var target: CID
    /// The publisher's count of its statements about the name; the highest valid one wins.
    public var sequence: UInt64
    public var expires: UnixTime
}

extension NodeHandle {
    /// Joins the network through `addresses`; returns how many peers are known then. Not needed
    /// where the configuration names bootstrap addresses.
    @discardableResult
    public func join(_ addresses: [SocketAddress]) async throws -> Int {
        guard case .joined(let peers) = try await answer(.join(addresses)) else { return 0 }
        return peers
    }

    /// Tells the network that this node holds `root`, and keeps telling it.
    @discardableResult
    public func provide(_ root: CID) async throws -> Held { try await held(.provide(root)) }

    /// Stops telling the network that this node holds `root`.
    public func withdraw(_ root: CID) async throws { _ = try await answer(.withdraw(root)) }

    /// Who holds `root`, as they are found, at most `limit`.
    public func providers(of root: CID, limit: Int = 20) -> AsyncThrowingStream<Contact, any Error>
    {
        stream(.findProviders(root, limit: limit)) { reply in
            if case .provider(let contact) = reply { contact } else { nil }
        }
    }

    /// Everything that the node replies to a request; for who measures.
    package func replies(to request: Request) -> AsyncStream<Reply> { loop.replies(to: request) }

    /// Brings content into this node's store. The last element is the finished state.
    ///
    /// - Throws: `FetchFailure` or `RequestFailure`.
    public func fetch(_ options: FetchOptions) -> AsyncThrowingStream<FetchProgress, any Error> {
        let number = transfers.begin(.fetching, root: options.root, path: options.path)
        return stream(.fetch(options), atEnd: { [transfers] in transfers.end(number) }) { reply in
            guard case .fetch(let event) = reply else { return nil }
            switch event {
            case .progress(let progress):
                self.transfers.fetched(number, progress)
                return progress
            case .finished(let progress):
                await self.fetched(options, progress)
                return progress
            case .failed(let failure): throw failure
            }
        }
    }

    /// Content that is here as a whole is listed, and offered again after a restart.
    private func fetched(_ options: FetchOptions, _ progress: FetchProgress) async {
        guard options.path.isEmpty, options.range == nil, options.scope == .all else { return }
        do {
            try await content.noteFetched(options.root, byteCount: progress.bytesStored)
        } catch {
            logger.warning("\(options.root) was fetched, but not noted: \(error)")
        }
    }

    /// What the newest valid record of a peer's name says.
    public func resolve(_ label: String, of peer: PeerID) async throws -> ResolvedName {
        guard
            case .name(let target, let sequence, let expires) =
                try await answer(.resolveName(peer, label: label))
        else { throw RequestFailure.nameNotFound }
        return ResolvedName(target: target, sequence: sequence, expires: expires)
    }

    /// The live peers nearest to a key of the DHT.
    public func closest(to key: DHTKey) async throws -> [Contact] {
        guard case .closest(let contacts, _) = try await answer(.lookup(key)) else { return [] }
        return contacts
    }

    /// The peers that this node knows.
    public func peers() async throws -> [PeerStatus] {
        guard case .peers(let peers) = try await answer(.peers) else { return [] }
        return peers
    }

    /// The node's counters, with what the sockets dropped among its drops.
    public func status() async throws -> NodeStatus {
        guard case .status(var status) = try await answer(.status) else {
            return NodeStatus(id: id)
        }
        let counters = await loop.counters()
        for reason in UDPCounters.Drop.allCases where counters.drops(reason) > 0 {
            status.drops.append(
                .init(reason: "socket.\(reason)", count: counters.drops(reason)))
        }
        status.drops.sort { $0.reason < $1.reason }
        return status
    }
}

extension NodeHandle {
    func held(_ request: Request) async throws -> Held {
        guard case .held(let held, let wanted) = try await answer(request) else {
            return Held(held: 0, wanted: 0)
        }
        return Held(held: held, wanted: wanted)
    }

    /// The final reply; failures are thrown.
    func answer(_ request: Request) async throws -> Reply {
        guard let reply = await loop.answer(to: request) else { throw CancellationError() }
        if case .failed(let failure) = reply { throw failure }
        return reply
    }

    /// The replies as `map` reads them; ends with the final one.
    func stream<T: Sendable>(
        _ request: Request, atEnd: @escaping @Sendable () -> Void = {},
        _ map: @escaping @Sendable (Reply) async throws -> T?
    ) -> AsyncThrowingStream<T, any Error> {
        let replies = loop.replies(to: request)
        return AsyncThrowingStream { continuation in
            let reading = Task {
                defer { atEnd() }
                do {
                    for await reply in replies {
                        if case .failed(let failure) = reply { throw failure }
                        if let value = try await map(reply) { continuation.yield(value) }
                    }
                    try Task.checkCancellation()
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in reading.cancel() }
        }
    }
}
