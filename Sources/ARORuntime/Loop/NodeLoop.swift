/// The one thread that owns a node: reads datagrams, requests, disk answers and the clock into it,
/// and carries out what it wants done (Docs/Decisions/0009-runtime.md).
///
/// Everything that happens in one turn of the loop, a batch of datagrams or a row of requests, goes
/// in first; then the outbox is drained once. So the packets of one batch leave as few long runs,
/// and the acknowledgements of one batch as one packet. Whoever is on another thread reaches the
/// node through the ``Mailbox`` only.

import AROInference
import ARONode
import AROPrimitives
import Logging
import NIOCore
import NIOPosix

package final class NodeLoop<Machine: Driven & ~Copyable>: @unchecked Sendable {
    // Immutable, or safe from any thread.
    package let eventLoop: any EventLoop
    private let mailbox = Mailbox()
    private let disk: any DiskServicing
    private let models: (any ModelServicing)?
    private let ledger: (any LedgerKeeping)?
    private let logger: Logger
    private let origin: UInt64

    // Confined to the event loop's thread.
    private var machine: Machine
    private var outbox = Outbox()
    private var ports = UDPPorts()
    private var channels: [any Channel] = []
    private var reopenings: [Reopening] = []
    private var requests: [RequestID: ReplySink] = [:]
    private var wake: (at: Instant, task: Scheduled<Void>)?
    private var wallClock: RepeatedTask?
    private var isRetryScheduled = false
    private var isShutDown = false

    /// Requests under way at once; one more is refused. A guess: each costs the node a table entry.
    package static var requestsMax: Int { 4_096 }
    /// How often the node is told the time of day; `Input.wallClock` asks for once a minute.
    package static var wallClockPeriod: TimeAmount { .seconds(30) }
    /// How soon a full kernel buffer is tried again: a gigabit link sends 125 kB in that time.
    private static var retryPeriod: TimeAmount { .milliseconds(1) }

    /// - Parameter machine: made at `Instant.origin`, which becomes the present.
    package init(
        _ machine: consuming Machine, on eventLoop: any EventLoop, disk: any DiskServicing,
        models: (any ModelServicing)? = nil, ledger: (any LedgerKeeping)? = nil, logger: Logger
    ) {
        self.machine = machine
        self.eventLoop = eventLoop
        self.disk = disk
        (self.models, self.ledger) = (models, ledger)
        self.logger = logger
        origin = NIODeadline.now().uptimeNanoseconds
    }

    /// Monotonic time since the loop was made.
    package var now: Instant {
        Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds - origin))
    }
}

// MARK: - Doors for every thread

extension NodeLoop where Machine: ~Copyable {
    /// Opens the sockets and starts the clock. The sockets belong to the loop from here on.
    func start(_ sockets: [UDPSocket]) async throws {
        try await eventLoop.flatSubmit { self.open(sockets) }.get()
    }

    /// Gives the node a request. `reply` is called on the loop's thread and must not block it; the
    /// last call has a final reply, unless the request is cancelled.
    package func submit(_ request: Request, reply: @escaping ReplySink) -> RequestID {
        let id = mailbox.makeRequestID()
        post(.request(request, id, reply))
        return id
    }

    package func cancel(_ id: RequestID) { post(.cancel(id)) }

    /// Says goodbye to every peer, fails what is under way, closes the sockets. The disk is not
    /// closed: content jobs may still use it.
    package func shutdown() async {
        let promise = eventLoop.makePromise(of: Void.self)
        post(.shutdown(promise))
        try? await promise.futureResult.get()
    }

    /// What the sockets did so far.
    package func counters() async -> UDPCounters {
        await (try? eventLoop.submit { self.ports.counters }.get()) ?? UDPCounters()
    }

    private func post(_ item: Mailbox.Item) {
        if mailbox.put(item) { eventLoop.execute { self.readMailbox() } }
    }
}

// MARK: - Inputs

extension NodeLoop where Machine: ~Copyable {
    /// One read of a socket: `bytes` is a datagram, or several of `segment` bytes each, the last
    /// perhaps shorter.
    func received(
        _ bytes: UnsafeRawBufferPointer, segment: Int, from address: SocketAddress, port: Int
    ) {
        guard !isShutDown else { return }
        ports.heard(address, on: port)
        let now = now
        let step = segment > 0 ? segment : max(bytes.count, 1)
        var start = 0
        while start < bytes.count {
            let end = min(start + step, bytes.count)
            let datagram = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            machine.handle(.datagram(datagram.bytes, from: address), at: now, into: &outbox)
            start = end
        }
    }

    func readCompleted() { drain() }

    private func readMailbox() {
        let now = now
        for item in mailbox.takeAll() {
            switch item {
            case .request(let request, let id, let sink): begin(request, id, sink, at: now)
            case .cancel(let id):
                guard requests.removeValue(forKey: id) != nil else { continue }
                machine.handle(.cancel(id), at: now, into: &outbox)
            case .disk(let reply):
                guard !isShutDown else { continue }
                machine.handle(.disk(reply), at: now, into: &outbox)
            case .backend(let reply):
                guard !isShutDown else { continue }
                machine.handle(.backend(reply), at: now, into: &outbox)
            case .shutdown(let promise): finish(promise, at: now)
            }
        }
        drain()
    }

    private func begin(
        _ request: Request, _ id: RequestID, _ sink: @escaping ReplySink, at now: Instant
    ) {
        guard !isShutDown else { return sink(.failed(.shuttingDown)) }
        guard requests.count < Self.requestsMax else { return sink(.failed(.tooManyRequests)) }
        requests[id] = sink
        machine.handle(.request(request, id), at: now, into: &outbox)
    }

    private func deadlineReached() {
        wake = nil
        guard !isShutDown else { return }
        let now = now
        if let next = machine.nextDeadline, next.at <= now {
            machine.handle(.deadline, at: now, into: &outbox)
        }
        drain()
    }

    private func tellWallClock() {
        guard !isShutDown else { return }
        machine.handle(.wallClock(.now), at: now, into: &outbox)
        drain()
    }
}

// MARK: - Effects

extension NodeLoop where Machine: ~Copyable {
    /// Carries out everything in the outbox and sets the next wake-up.
    private func drain() {
        machine.flush(at: now, into: &outbox)
        send()
        for i in outbox.effects.indices {
            switch outbox.effects[i] {
            case .reply(let id, let reply): deliver(reply, to: id)
            case .disk(let request):
                disk.perform(request) { [weak self] in self?.post(.disk($0)) }
            case .backend(let request): ask(request)
            case .record(let entry): ledger?.record(entry)
            }
        }
        outbox.removeAll()
        setWake()
    }

    private func ask(_ request: BackendRequest) {
        if let models {
            models.perform(request) { [weak self] in self?.post(.backend($0)) }
        } else if case .start(_, let token) = request {
            post(.backend(.failed(token, .unavailable("this node has no model server"))))
        }
    }

    private func send() {
        guard !outbox.packets.isEmpty else { return }
        outbox.packets.bytes.withUnsafeBytes { all in
            for i in outbox.packets.runs.indices {
                let run = outbox.packets.runs[i]
                let bytes = UnsafeRawBufferPointer(rebasing: all[run.start..<run.start + run.count])
                ports.send(bytes, segment: run.segment, to: run.address)
            }
        }
        scheduleRetry()
    }

    private func scheduleRetry() {
        guard ports.isBlocked, !isRetryScheduled else { return }
        isRetryScheduled = true
        eventLoop.scheduleTask(in: Self.retryPeriod) {
            self.isRetryScheduled = false
            self.ports.retry()
            self.scheduleRetry()
        }
    }

    private func deliver(_ reply: Reply, to id: RequestID) {
        guard let sink = requests[id] else { return }
        if reply.isFinal { requests[id] = nil }
        sink(reply)
    }

    /// An armed wake-up that is too early is harmless and cheaper than arming a new one.
    private func setWake() {
        guard !isShutDown, let next = machine.nextDeadline else { return }
        if let wake {
            guard next.at < wake.at else { return }
            wake.task.cancel()
        }
        let at = max(next.at, .origin)
        let deadline = NIODeadline.uptimeNanoseconds(origin &+ UInt64(at.nanoseconds))
        let task = eventLoop.scheduleTask(deadline: deadline) {
            self.deadlineReached()
        }
        wake = (at, task)
    }
}

// MARK: - Opening and closing

extension NodeLoop where Machine: ~Copyable {
    private func open(_ sockets: [UDPSocket]) -> EventLoopFuture<Void> {
        for socket in sockets { ports.add(UDPPort(socket)) }
        reopenings = sockets.map { _ in Reopening(openedAt: now) }
        let opened = sockets.indices.map { index in
            openChannel(sockets[index], port: index, for: self, on: eventLoop)
        }
        return EventLoopFuture.whenAllSucceed(opened, on: eventLoop).map {
            self.channels = $0
            self.wallClock = self.eventLoop.scheduleRepeatedTask(
                initialDelay: .zero, delay: Self.wallClockPeriod
            ) { _ in self.tellWallClock() }
        }
    }

    private func finish(_ promise: EventLoopPromise<Void>, at now: Instant) {
        guard !isShutDown else { return promise.succeed() }
        machine.handle(.shutdown, at: now, into: &outbox)
        drain()
        isShutDown = true
        wallClock?.cancel()
        wake?.task.cancel()
        wake = nil
        // In the order of their numbers: replies go to separate users, but tests compare logs.
        for id in requests.keys.sorted() { requests[id]?(.failed(.shuttingDown)) }
        requests = [:]
        let closed = channels.map { $0.close() }
        EventLoopFuture.andAllComplete(closed, on: eventLoop).cascade(to: promise)
    }

    func portFailed(_ index: Int, _ error: any Error) {
        logger.warning("socket \(ports.ports[index].socket.address): \(error)")
    }
}

// MARK: - Sockets that break

/// A socket's way back after the system closed it.
private struct Reopening {
    var openedAt: Instant
    var backoff = Backoff()
    var isUnderWay = false

    /// How long until the next try: less after a time in which all went well.
    mutating func wait(at now: Instant) -> Duration {
        if now - openedAt > Backoff.longest { backoff.reset() }
        var generator = SystemRandomNumberGenerator()
        return backoff.wait(using: &generator)
    }
}

extension NodeLoop where Machine: ~Copyable {
    /// NIO closes a socket on most errors of a read. A node without it would be deaf: it is opened
    /// again, at the same address. What was lost meanwhile the transport sends again.
    func portClosed(_ index: Int) {
        ports.ports[index].closed()
        guard !isShutDown, !reopenings[index].isUnderWay else { return }
        reopenings[index].isUnderWay = true
        reopenLater(index)
    }

    /// Closes a socket as a failed read does: for tests, which cannot let a read fail.
    func breakSocket(_ index: Int) async {
        try? await eventLoop.flatSubmit { self.channels[index].close() }.get()
    }

    private func reopenLater(_ index: Int) {
        let wait = reopenings[index].wait(at: now)
        let address = ports.ports[index].socket.address
        logger.error("socket \(address) was closed; it is opened again in \(wait.seconds) s")
        eventLoop.scheduleTask(in: .nanoseconds(wait.nanoseconds)) { self.reopen(index) }
    }

    private func reopen(_ index: Int) {
        guard !isShutDown else { return }
        let socket: UDPSocket
        do throws(SystemFailure) {
            socket = try UDPSocket(binding: ports.ports[index].socket.address)
        } catch {
            logger.error("cannot \(error)")
            return reopenLater(index)
        }
        ports.replace(index, by: UDPPort(socket))
        openChannel(socket, port: index, for: self, on: eventLoop).whenComplete {
            self.reopened(index, $0)
        }
    }

    private func reopened(_ index: Int, _ result: Result<any Channel, any Error>) {
        switch result {
        case .success(let channel):
            guard !isShutDown else { return channel.close(promise: nil) }
            channels[index] = channel
            reopenings[index].isUnderWay = false
            reopenings[index].openedAt = now
            logger.notice("socket \(ports.ports[index].socket.address) is open again")
        case .failure(let error):
            logger.error("socket \(ports.ports[index].socket.address): \(error)")
            ports.ports[index].closed()
            reopenLater(index)
        }
    }
}
