/// A node is a value: time, chance and bytes go in, effects come out (Docs/Architecture.md).
///
/// It joins a transport, which knows sessions, to a participant, which knows peers: every input is
/// carried from one to the other until both are quiet.

import AROContent
import AROCrypto
import AROOverlay
import AROPrimitives
import AROTransport
import AROWire

public struct Node: ~Copyable {
    public let id: PeerID
    private let shared: Shared<Configuration>
    var configuration: Configuration { shared.value }
    var transport: Transport
    var participant: Participant
    var book = PeerBook()
    var carrier = Carrier()
    var outbox = ParticipantOutbox()
    /// Writes that a stream did not take: its other side had ended it.
    var writesRefused: UInt64 = 0
    /// Sent so far.
    package internal(set) var messagesOut = MessageTally()
    /// The book is swept when it has grown beyond this.
    var bookSweepAt = bookFloor

    /// Peers that the book may hold before it is looked through for unused ones. A guess: more than a
    /// full table and its look-ups hold.
    static let bookFloor = 4_096

    /// - Parameters:
    ///   - identity: the node's key pair.
    ///   - entropy: the source of keys and nonces; seeded for a simulated world.
    ///   - seed: the seed of every decision by chance.
    ///   - pool: for the nodes of a simulated world; nil for one of its own.
    public init(
        configuration: Configuration, identity: consuming Identity, entropy: consuming Entropy,
        seed: UInt64, pool: StatementPool? = nil, at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            configuration: SharedConfiguration(configuration), identity: identity,
            entropy: entropy, seed: seed, pool: pool, at: now, wallClock: wallClock)
    }

    /// The same, with a configuration that nodes of one world keep together.
    public init(
        configuration parts: SharedConfiguration, addresses: [SocketAddress]? = nil,
        identity: consuming Identity, entropy: consuming Entropy, seed: UInt64,
        pool: StatementPool?, at now: Instant, wallClock: UnixTime
    ) {
        let configuration = parts.whole.value
        var generator = Generator(seed: seed)
        var transportConfiguration = configuration.transport
        transportConfiguration.endpoint.servesDHT = configuration.servesDHT
        id = identity.id
        shared = parts.whole
        transport = Transport(
            configuration: transportConfiguration, identity: identity.copy(), entropy: entropy,
            generator: generator.fork("transport"), at: now, wallClock: wallClock)
        participant = Participant(
            configuration: parts, addresses: addresses, identity: identity,
            seed: generator.next(), pool: pool, at: now, wallClock: wallClock)
    }

    /// Takes one input. `now` must never go back. Effects other than packets are appended to
    /// `outbox`; packets wait for ``flush(at:into:)``.
    public mutating func handle(
        _ input: borrowing Input, at now: Instant, into outbox: inout Outbox
    ) {
        switch input {
        case .datagram(let bytes, let address):
            transport.receive(bytes, from: address, at: now)
        case .deadline:
            if let at = transport.nextDeadline, at <= now { transport.deadlinePassed(at: now) }
            if let wake = participant.nextDeadline, wake.at <= now { tell(.deadline, at: now) }
            // Messages on their way out name peers that nobody else may remember.
            carry(at: now, into: &outbox)
            sweepBook()
        case .request(.peers, let id):
            outbox.effects.append(.reply(id, .peers(peerStatus())))
        case .request(.status, let id):
            outbox.effects.append(.reply(id, .status(status(at: now))))
        case .request(let request, let id): tell(.request(request, id), at: now)
        case .cancel(let id): tell(.cancel(id), at: now)
        case .disk(let reply): tell(.disk(reply), at: now)
        case .backend(let reply): tell(.backend(reply), at: now)
        case .wallClock(let time):
            transport.wallClockChanged(to: time, at: now)
            tell(.wallClock(time), at: now)
        case .shutdown:
            participant.shutDown(at: now, book: &book, into: &self.outbox)
            carry(at: now, into: &outbox)
            // A session that is closing writes nothing but that: first what was said in parting.
            flush(at: now, into: &outbox)
            transport.closeAll(code: .shuttingDown, at: now)
        }
        carry(at: now, into: &outbox)
    }

    /// Writes the packets that may go now. Called once after each batch of inputs (one is a batch),
    /// before the outbox is drained: so the answers to many datagrams that arrived together leave
    /// as few long runs.
    public mutating func flush(at now: Instant, into outbox: inout Outbox) {
        transport.flush(at: now, into: &outbox.packets)
        carry(at: now, into: &outbox)
    }

    /// When the node wants an ``Input/deadline``, and why; nil for never. Right after a flush.
    public var nextDeadline: Wake? {
        let wake = participant.nextDeadline
        guard let at = transport.nextDeadline else { return wake }
        guard let wake, wake.at <= at else { return Wake(at: at, reason: .transport) }
        return wake
    }

    private mutating func tell(_ input: borrowing ParticipantInput, at now: Instant) {
        participant.handle(input, at: now, book: &book, into: &outbox)
    }
}

// MARK: - From the transport to the participant and back

extension Node {
    /// Carries events up and effects down until both are quiet. Ends: every effect is carried out
    /// once, and what the transport answers at once are ends of sessions and first room on streams.
    private mutating func carry(at now: Instant, into outbox: inout Outbox) {
        while true {
            if !self.outbox.effects.isEmpty {
                carryDown(at: now, into: &outbox)
            } else if let stream = carrier.takeWritten() {
                tellRoom(of: stream, at: now)
            } else if let event = transport.nextEvent() {
                carryUp(event, at: now)
            } else {
                return
            }
        }
    }

    private mutating func carryUp(_ event: TransportEvent, at now: Instant) {
        switch event {
        case .connected(let connected): sessionConnected(connected, at: now)
        case .proven(let session):
            if let peer = carrier.peer(of: session), let address = transport.address(of: session) {
                book.heard(peer, at: address)
            }
        case .connectFailed(let session, let reason): connectFailed(session, reason, at: now)
        case .closed(let session, let reason): sessionClosed(session, reason, at: now)
        case .message(let session, let range):
            guard let peer = carrier.peer(of: session) else { return }
            Self.carryMessage(
                range, from: peer, of: transport, to: &participant, &book, &outbox, at: now)
        case .streamOpened(let stream): carrier.streamArrived(stream)
        case .readable(let stream): read(stream, at: now)
        case .writable(let stream):
            guard let token = carrier.token(stream) else { return }
            tell(.streamWritable(token, room: transport.room(in: stream)), at: now)
        case .reset(let stream, _): streamLost(stream, at: now)
        // What we still write is thrown away; the peer ends its own direction when it is done.
        case .stopped, .delivered: break
        case .migrated(let session, let address):
            if let peer = carrier.peer(of: session) { book.heard(peer, at: address) }
        }
    }

    private mutating func sessionConnected(_ connected: Connected, at now: Instant) {
        let peer = book.intern(connected.peer)
        if connected.isAddressProven {
            book.heard(peer, at: connected.address)
        } else {
            // Not shown to be its own yet, but where it can be asked to show that.
            book.suggest([connected.address], for: peer)
        }
        carrier.connected(connected.session, peer)
        let facts = PeerFacts(
            address: connected.address, servesDHT: connected.servesDHT,
            roundTrip: transport.roundTrip(of: connected.session),
            isInitiator: connected.isInitiator, observedAddress: connected.observedAddress)
        tell(.peerConnected(peer, facts), at: now)
        if let address = carrier.takeDial(of: connected.session) {
            tell(.dialed(address, peer), at: now)
        }
        for (token, priority) in carrier.takeWaiting(for: connected.session) {
            openStream(token, to: peer, priority, at: now)
        }
    }

    private mutating func connectFailed(
        _ session: SessionID, _ reason: ConnectFailure, at now: Instant
    ) {
        let dialed = carrier.takeDial(of: session)
        let peer = carrier.peer(of: session)
        let unopened = carrier.ended(session)
        if let dialed { tell(.dialFailed(dialed), at: now) }
        if let peer { tell(.peerUnreachable(peer), at: now) }
        for token in unopened { tell(.streamReset(token), at: now) }
    }

    private mutating func sessionClosed(
        _ session: SessionID, _ reason: CloseReason, at now: Instant
    ) {
        let peer = carrier.peer(of: session)
        let open = carrier.ended(session)
        // First what it means, so that nobody opens the streams again that go with it.
        switch (reason, peer) {
        case (.byPeer(.shuttingDown, _), let peer?): tell(.peerGone(peer), at: now)
        case (.pathLost, let peer?), (.unconfirmed, let peer?):
            tell(.peerUnreachable(peer), at: now)
        default: break
        }
        for token in open { tell(.streamReset(token), at: now) }
    }

    private static func carryMessage(
        _ range: Range<Int>, from peer: PeerHandle, of transport: borrowing Transport,
        to participant: inout Participant, _ book: inout PeerBook,
        _ outbox: inout ParticipantOutbox, at now: Instant
    ) {
        transport.withReceived(range) { bytes in
            participant.handle(.message(bytes, from: peer), at: now, book: &book, into: &outbox)
        }
    }
}

// MARK: - Streams

extension Node {
    private mutating func read(_ stream: StreamID, at now: Instant) {
        if carrier.isUnnamed(stream) { guard nameStream(stream, at: now) else { return } }
        guard let token = carrier.token(stream) else { return }
        var isFinished = false
        var count = 1
        while count > 0, !isFinished {
            (count, isFinished) = Self.carryStream(
                stream, token, atMost: configuration.streamReadMax, of: &transport,
                to: &participant, &book, &outbox, at: now)
        }
        guard isFinished else { return }
        carrier.finished(token, .reading)
        tell(.streamReceived(token, RawSpan(), isFinished: true), at: now)
    }

    /// The first byte of a peer's stream says what it is for.
    private mutating func nameStream(_ stream: StreamID, at now: Instant) -> Bool {
        var first: UInt8?
        let read = transport.read(stream, atMost: 1) { first = $0.unsafeLoad(as: UInt8.self) }
        guard let first else {
            if read.isFinished { refuse(stream) }
            return false
        }
        guard let purpose = StreamProtocol(rawValue: first),
            let peer = carrier.peer(of: stream.session)
        else {
            refuse(stream)
            return false
        }
        let name = participant.streamAccepted(
            purpose, from: peer, room: transport.room(in: stream), at: now, book: &book,
            into: &outbox)
        carrier.opened(stream, name)
        return true
    }

    /// Ends a stream that never got a name, our direction too: else it would live as long as its
    /// session.
    private mutating func refuse(_ stream: StreamID) {
        carrier.dropUnnamed(stream)
        transport.reset(stream, code: CloseCode.firstApplication)
        transport.stop(stream, code: CloseCode.firstApplication)
    }

    private static func carryStream(
        _ stream: StreamID, _ token: StreamToken, atMost count: Int,
        of transport: inout Transport, to participant: inout Participant,
        _ book: inout PeerBook, _ outbox: inout ParticipantOutbox, at now: Instant
    ) -> (count: Int, isFinished: Bool) {
        transport.read(stream, atMost: count) { bytes in
            participant.handle(
                .streamReceived(token, bytes, isFinished: false), at: now, book: &book,
                into: &outbox)
        }
    }

    /// The writer keeps count of the room it was told of; what it wrote may have left some. Where none
    /// is left, having asked makes the transport tell when there is again.
    private mutating func tellRoom(of token: StreamToken, at now: Instant) {
        guard let stream = carrier.stream(token) else { return }
        let room = transport.room(in: stream)
        if room > 0 { tell(.streamWritable(token, room: room), at: now) }
    }

    private mutating func streamLost(_ stream: StreamID, at now: Instant) {
        if carrier.isUnnamed(stream) { return refuse(stream) }
        guard let token = carrier.token(stream) else { return }
        carrier.closed(token)
        // Neither direction is of use without the other.
        transport.reset(stream, code: CloseCode.firstApplication)
        transport.stop(stream, code: CloseCode.firstApplication)
        tell(.streamReset(token), at: now)
    }
}

// MARK: - Effects

extension Node {
    private mutating func carryDown(at now: Instant, into outbox: inout Outbox) {
        let effects = self.outbox.effects
        let bytes = self.outbox.bytes
        self.outbox.removeAll()
        for effect in effects {
            switch effect {
            case .send(let peer, let range):
                send(bytes.span.bytes.extracting(range), to: peer, at: now)
            case .dial(let address):
                let session = transport.connect(
                    to: nil, addresses: [address], first: RawSpan(), at: now)
                carrier.dialing(session, address)
            case .hangUp(let peer): hangUp(peer, at: now)
            case .openStream(let token, let peer, let priority):
                openStream(token, to: peer, priority, at: now)
            case .write(let token, let bytes, let isFinal):
                guard let stream = carrier.stream(token) else { continue }
                if !bytes.isEmpty {
                    let isTaken = transport.write(bytes, to: stream)
                    if isTaken { carrier.wrote(token) } else { writesRefused += 1 }
                }
                if isFinal {
                    transport.finish(stream)
                    carrier.finished(token, .writing)
                }
            case .reset(let token): abandon(token, resets: true)
            case .release(let token): abandon(token, resets: false)
            case .reply(let id, let reply): outbox.effects.append(.reply(id, reply))
            case .disk(let request): outbox.effects.append(.disk(request))
            case .backend(let request): outbox.effects.append(.backend(request))
            case .record(let entry): outbox.effects.append(.record(entry))
            }
        }
    }

    private mutating func send(_ message: RawSpan, to peer: PeerHandle, at now: Instant) {
        messagesOut.count(message)
        if let session = transport.session(with: book.id(peer)) {
            transport.send(message: message, on: session, at: now)
        } else {
            _ = connect(to: peer, message: message, at: now)
        }
    }

    /// The transport itself takes its time to find that a peer has gone; others know sooner. But they
    /// may be wrong, or lie: a session over which something came lately stays.
    private mutating func hangUp(_ peer: PeerHandle, at now: Instant) {
        guard let session = transport.session(with: book.id(peer)),
            carrier.isConnected(session),
            let silence = transport.silence(of: session, at: now),
            silence >= ParticipantEffect.silenceOfTheDead
        else { return }
        transport.close(session, at: now)
    }

    private mutating func connect(
        to peer: PeerHandle, message: RawSpan, at now: Instant
    ) -> SessionID {
        let session = transport.connect(
            to: book.id(peer), addresses: Array(book.addresses(peer)), first: message, at: now)
        carrier.connecting(session, to: peer)
        return session
    }

    private mutating func openStream(
        _ token: StreamToken, to peer: PeerHandle, _ priority: StreamPriority, at now: Instant
    ) {
        let session =
            transport.session(with: book.id(peer)) ?? connect(to: peer, message: RawSpan(), at: now)
        guard carrier.isConnected(session) else {
            return carrier.waits(token, priority, for: session)
        }
        guard let stream = transport.openStream(on: session, priority: priority) else {
            return tell(.streamReset(token), at: now)
        }
        carrier.opened(stream, token)
        tell(.streamOpened(token, room: transport.room(in: stream)), at: now)
    }

    /// - Parameter resets: whether what was written is taken back, too.
    private mutating func abandon(_ token: StreamToken, resets: Bool) {
        guard let stream = carrier.stream(token) else { return }
        carrier.closed(token)
        if resets { transport.reset(stream, code: CloseCode.firstApplication) }
        transport.stop(stream, code: CloseCode.firstApplication)
    }
}
