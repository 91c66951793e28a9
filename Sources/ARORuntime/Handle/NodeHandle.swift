/// A running node, for the program that hosts it: what `import ARO` is about.
///
/// The node itself lives on its own thread (see ``NodeLoop``); a handle is `Sendable` and all its
/// methods may be called from anywhere. Cancelling the task that waits for an answer cancels the
/// work in the node.

import ARONode
import AROContent
import AROCrypto
import AROPrimitives
import AROWire
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// A node of the network, running in this process.
///
/// ```swift
/// import ARO
///
/// let node = try await NodeHandle.start(
///     NodeConfiguration(bootstrap: [HostPort("bootstrap.example.org:4002")!]))
/// let held = try await node.provide(cid)          // "held by 18 of 20"
/// for try await peer in node.providers(of: cid) { print(peer.id) }
/// for try await progress in node.fetch(FetchOptions(root: cid)) {
///     print(progress.bytesStored, "of", progress.bytesWanted ?? 0)
/// }
/// await node.shutdown()
/// ```
public final class NodeHandle: Sendable {
    /// Who this node is.
    public let id: PeerID
    /// Where it listens, with the ports that the system chose.
    public let addresses: [SocketAddress]
    /// The data directory's path.
    public let dataDirectory: String

    /// The most that calls may cost whose callers do not say.
    public let priceMax: TokenPrice

    /// Bytes of content that may be kept.
    public var quota: UInt64 { content.quota }
    /// How long the node runs.
    public var uptime: Duration { loop.now - .origin }

    let loop: NodeLoop<Node>
    let logger: Logger
    let signer: Signer
    let content: any ContentServicing
    let ledger: LedgerStore
    let transfers = Transfers()
    let checkups = Checkups()
    private let group: MultiThreadedEventLoopGroup
    /// Held while the node runs: its lock keeps other nodes out.
    private let directory: Mutex<DataDirectory?>
    private let bootstrapping: Task<Void, Never>
    private let renewing: Task<Void, Never>
    let offering: Offering
    private let updating: Task<Void, Never>
    private let triedToJoin: EventLoopFuture<Void>
    private let ending = Mutex<Task<Void, Never>?>(nil)

    private init(
        _ signer: Signer, _ addresses: [SocketAddress], _ loop: NodeLoop<Node>,
        _ group: MultiThreadedEventLoopGroup, _ directory: consuming DataDirectory,
        _ content: any ContentServicing, _ ledger: LedgerStore,
        _ configuration: NodeConfiguration
    ) {
        id = signer.id
        self.signer = signer
        self.addresses = addresses
        self.loop = loop
        self.group = group
        dataDirectory = directory.path
        self.directory = Mutex(directory)
        self.content = content
        self.ledger = ledger
        logger = configuration.logger
        priceMax = configuration.priceMax
        let tried = group.next().makePromise(of: Void.self)
        triedToJoin = tried.futureResult
        let bootstrapper = Bootstrapper(
            hosts: configuration.bootstrap, loop: loop, logger: configuration.logger,
            triedOnce: { tried.succeed() })
        bootstrapping = Task { await bootstrapper.run() }
        let offering = Offering(configuration.node.offer, loop: loop, content: content)
        self.offering = offering
        updating = Task { await offering.run() }
        let renewal = Renewal(loop: loop, content: content, logger: configuration.logger)
        renewing = Task {
            try? await tried.futureResult.get()
            await renewal.run()
        }
    }

    /// Returns when the first try to join the network has ended, well or not, or after `seconds`.
    public func waitForFirstJoin(atMost seconds: Int64) async {
        let done = triedToJoin.eventLoop.makePromise(of: Void.self)
        let limit = triedToJoin.eventLoop.scheduleTask(in: .seconds(seconds)) { done.succeed() }
        triedToJoin.whenComplete { _ in
            limit.cancel()
            done.succeed()
        }
        try? await done.futureResult.get()
    }

    /// Ends the node: peers are told, requests under way fail, the store is flushed. Returns when
    /// all that is done, whoever asked for it first.
    public func shutdown() async {
        let ending = ending.withLock { ending in
            let task = ending ?? Task { await self.end() }
            ending = task
            return task
        }
        await ending.value
    }

    private func end() async {
        bootstrapping.cancel()
        renewing.cancel()
        updating.cancel()
        await loop.shutdown()
        await ledger.close()
        await content.close()
        try? await group.shutdownGracefully()
        directory.withLock { $0 = nil }
    }
}

/// Signs as the node; the secret stays inside.
final class Signer: Sendable {
    private let identity: Identity

    init(_ identity: consuming Identity) { self.identity = identity }

    var id: PeerID { identity.id }

    func withIdentity<T>(_ body: (borrowing Identity) -> T) -> T { body(identity) }
}

// MARK: - Starting

extension NodeHandle {
    /// The version of this software.
    public static let version = "0.1.0"

    /// Starts a node and returns as soon as it listens; joining the network goes on behind it and is
    /// retried until it succeeds.
    ///
    /// - Throws: ``StoreFailure`` or ``StartFailure``, with a description for the user.
    public static func start(_ configuration: NodeConfiguration) async throws -> NodeHandle {
        guard (1...NodeConfiguration.listenMax).contains(configuration.listen.count) else {
            throw StartFailure.listenCount(configuration.listen.count)
        }
        let directory = try DataDirectory(configuration.dataDirectory)
        let identity = try KeyFile.load(in: directory)
        let signer = Signer(identity.copy())
        let content = try await StoredContent.open(
            directory.path, quota: configuration.quota, signer: signer)
        let ledger: LedgerStore
        do {
            ledger = try LedgerStore(
                directory.file("ledger.sqlite"), logger: configuration.logger)
        } catch {
            await content.close()
            throw error
        }
        do {
            let sockets = try bind(configuration.listen)
            warn(of: sockets, configuration.logger)
            return try await start(
                sockets, directory, identity, signer, content, ledger, configuration)
        } catch {
            await ledger.close()
            await content.close()
            throw error
        }
    }

    private static func start(
        _ sockets: [UDPSocket], _ directory: consuming DataDirectory,
        _ identity: consuming Identity, _ signer: Signer, _ content: StoredContent,
        _ ledger: LedgerStore, _ configuration: NodeConfiguration
    ) async throws -> NodeHandle {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var entropy = Entropy.system()
        let seed = entropy.u64()
        var numbers = configuration.node
        if numbers.offer.software.isEmpty { numbers.offer.software = "aro \(version)" }
        numbers.offer.storage = StorageOffer(
            offeredBytes: content.quota, freeBytes: content.quota)
        numbers.addresses = Interfaces.reachable(from: sockets)
        let node = Node(
            configuration: numbers, identity: identity, entropy: entropy, seed: seed,
            at: .origin, wallClock: .now)
        let loop = NodeLoop(
            node, on: group.next(), disk: content.disk, models: configuration.models,
            ledger: ledger, logger: configuration.logger)
        do {
            _ = loop.submit(.restore(try ledger.restored(for: signer.id))) { _ in }
            try await loop.start(sockets)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        var configuration = configuration
        configuration.node = numbers
        return NodeHandle(
            signer, sockets.map(\.address), loop, group, directory, content, ledger,
            configuration)
    }

    private static func bind(_ addresses: [SocketAddress]) throws -> [UDPSocket] {
        var sockets: [UDPSocket] = []
        do {
            for address in addresses { sockets.append(try UDPSocket(binding: address)) }
        } catch {
            let failed = addresses[sockets.count]
            for socket in sockets { Glibc.close(socket.descriptor) }
            switch error.code {
            case EADDRINUSE: throw StartFailure.addressInUse(failed)
            case EADDRNOTAVAIL: throw StartFailure.addressUnavailable(failed)
            case EACCES, EPERM: throw StartFailure.portForbidden(failed)
            default: throw StartFailure.socket(error)
            }
        }
        return sockets
    }

    private static func warn(of sockets: [UDPSocket], _ logger: Logger) {
        for socket in sockets {
            let offload =
                "segmentation \(socket.hasSegmentation ? "on" : "off"), "
                + "receive offload \(socket.hasReceiveOffload ? "on" : "off")"
            logger.debug("socket \(socket.address): \(offload)")
            guard socket.receiveBufferBytes < UDPSocket.bufferBytesLow else { continue }
            logger.warning(
                """
                the system grants a receive buffer of \(socket.receiveBufferBytes >> 10) KiB only, \
                \(UDPSocket.bufferBytesWanted >> 10) were asked for: fast transfers will lose \
                packets; raise it by sysctl -w net.core.rmem_max=\(UDPSocket.bufferBytesWanted)
                """)
        }
    }
}
