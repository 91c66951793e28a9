/// A node of a world of messages: the real ``Participant`` on a model of the transport. It has the
/// transport's handshakes with their round trips, retransmissions and give-up time, its sessions
/// with their idle times, its packet sizes; no cryptography, loss recovery, congestion control or
/// pacing.
///
/// Streams deliver everything in order at no rate (`MessageNode+Streams.swift`). Messages to one
/// peer that leave at one moment do not share a packet, as the transport's would.

import AROContent
import AROCrypto
import ARONode
import AROPrimitives
import AROTransport
import AROWire

public struct MessageNode: ~Copyable {
    public let id: PeerID
    let handle: PeerHandle
    let commons: Commons
    var participant: Participant
    var sessions = PlainSessions()
    var attempts: [PlainAttempt] = []
    let life: UInt32
    /// Responses to dials, which begin no session yet.
    var dialAnswers: [PlainAnswer] = []
    /// Kept, as it is asked for after every input.
    public private(set) var nextDeadline: Wake?
    /// The peer whose handshake is being answered: what it is told now rides in the response.
    var answering: PeerHandle?
    var rider: [UInt8] = []
    /// What did not fit, to be sent behind it.
    var behind: [[UInt8]] = []
    var streams: [PlainStream] = []
    var lastStream: UInt64 = 0
    var parcels: [Parcel] = []
    var parcelsTaken = 0
    /// Streams that were written to and whose writer was not told of room since.
    var written: [ContentStream] = []
    /// nil for an honest node.
    var hostility: Hostility?
    var chance: Generator
    /// As the transport's: how long handshakes take.
    var handshakeTimes: PopulationTime
    public internal(set) var messages = MessageCounters()
    /// Of the post that came last, how many hops it had made.
    public internal(set) var lastPostHops = 0

    /// - Parameter configuration: what its participant runs with, where that is not the others'.
    init(_ birth: Birth, _ commons: Commons, _ configuration: SharedConfiguration? = nil) {
        var entropy = Entropy(seed: birth.identitySeed)
        let identity = Identity(from: &entropy)
        var generator = Generator(seed: birth.chanceSeed)
        id = identity.id
        handle = commons.register(identity.id, as: birth.node, at: birth.address)
        self.commons = commons
        life = UInt32(birth.life)
        chance = generator.fork("transport")
        handshakeTimes = PopulationTime(
            first: commons.endpoint.handshakeRetransmitMax)
        participant = Participant(
            configuration: configuration ?? commons.configuration,
            addresses: birth.knownAddresses, identity: identity,
            seed: generator.next(), pool: commons.statements,
            at: birth.now, wallClock: birth.wallClock)
        settle()
    }

    var lifetimes: SessionLimits { commons.sessionLimits }
    var limits: EndpointConfiguration { commons.endpoint }

    /// Looks at the participant, with the peer book that its handles belong to.
    public func withParticipant<R>(
        _ body: (borrowing Participant, borrowing PeerBook) -> R
    ) -> R { body(participant, commons.book) }

    /// Peers with a session, in the order of their ids. What each session carried is not counted.
    func peerStatus(at now: Instant) -> [PeerStatus] {
        var rows: [PeerStatus] = []
        for session in sessions.rows
        where !session.isConnecting && !session.isIdle(lifetimes, at: now) {
            guard let address = commons.book.address(session.peer) else { continue }
            rows.append(
                PeerStatus(
                    id: commons.book.id(session.peer), address: address, isConnected: true,
                    isInTable: participant.isInTable(session.peer, book: commons.book),
                    roundTrip: nil, bytesIn: 0, bytesOut: 0))
        }
        return rows.sorted { $0.id < $1.id }
    }

    /// Without what only a transport counts.
    func status(at now: Instant) -> NodeStatus {
        var status = NodeStatus(id: id)
        status.sessions = sessionCount(at: now)
        participant.describe(into: &status)
        status.drops.sort { $0.reason < $1.reason }
        return status
    }

    /// Sessions that are connected and not idle.
    public func sessionCount(at now: Instant) -> Int {
        sessions.rows.count { !$0.isConnecting && !$0.isIdle(lifetimes, at: now) }
    }
}

extension MessageNode: Inhabitant {
    public static var readsDamagedPackets: Bool { false }
    public static func wireByteCount(of datagram: RawSpan) -> Int {
        PlainPacket.wireByteCount(of: datagram)
    }
    public static func isHandshake(_ datagram: RawSpan) -> Bool {
        switch PlainPacket(datagram)?.kind {
        case .initiation, .dial, .response, .dialResponse, .completion: true
        case .confirmation, .data, .close, .reset, nil: false
        }
    }
    public static var sharesAddresses: Bool { true }

    public mutating func handle(
        _ input: borrowing Input, at now: Instant, into outbox: inout Outbox
    ) {
        switch input {
        case .datagram(let bytes, let address):
            received(bytes, from: address, at: now, into: &outbox)
        case .deadline:
            if let at = attemptDeadline, at <= now { attemptsDue(at: now, into: &outbox) }
            tell(.deadline, at: now)
        case .request(.peers, let id):
            outbox.effects.append(.reply(id, .peers(peerStatus(at: now))))
        case .request(.status, let id):
            outbox.effects.append(.reply(id, .status(status(at: now))))
        case .request(let request, let id): tell(.request(request, id), at: now)
        case .cancel(let id): tell(.cancel(id), at: now)
        case .disk(let reply): tell(.disk(reply), at: now)
        case .backend(let reply): tell(.backend(reply), at: now)
        case .wallClock(let time):
            tidy(at: now)
            tell(.wallClock(time), at: now)
        case .shutdown:
            participant.swapScratch(&commons.scratch)
            participant.shutDown(at: now, book: &commons.book, into: &commons.outbox)
            participant.swapScratch(&commons.scratch)
            carry(at: now, into: &outbox)
            closeAll(at: now, into: &outbox)
        }
        carry(at: now, into: &outbox)
        settle()
    }

    public mutating func flush(at now: Instant, into outbox: inout Outbox) {}

    public mutating func prefetch(_ part: Prefetch.Part) {
        sessions.prefetch(part)
        participant.prefetch(part)
    }

    /// Every call ends with it.
    mutating func settle() {
        nextDeadline = participant.nextDeadline
        guard let at = attemptDeadline else { return }
        if let wake = nextDeadline, wake.at <= at { return }
        nextDeadline = Wake(at: at, reason: .transport)
    }

    mutating func tell(_ input: borrowing ParticipantInput, at now: Instant) {
        participant.swapScratch(&commons.scratch)
        participant.handle(input, at: now, book: &commons.book, into: &commons.outbox)
        participant.swapScratch(&commons.scratch)
    }

    /// Carries out what the participant wants until it wants nothing more.
    mutating func carry(at now: Instant, into outbox: inout Outbox) {
        while true {
            if !commons.outbox.effects.isEmpty {
                swap(&commons.outbox, &commons.underWay)
                for i in commons.underWay.effects.indices {
                    carryOut(commons.underWay.effects[i], at: now, into: &outbox)
                }
                commons.underWay.removeAll()
            } else if let stream = written.popLast() {
                tellRoom(of: stream, at: now)
            } else {
                return
            }
        }
    }

    private mutating func carryOut(
        _ effect: ParticipantEffect, at now: Instant, into outbox: inout Outbox
    ) {
        switch effect {
        case .send(let peer, let range):
            let bytes = commons.underWay.bytes
            send(bytes.span.bytes.extracting(range), to: peer, at: now, &outbox)
        case .hangUp(let peer): hangUp(peer, at: now)
        case .dial(let address): dial(address, at: now, into: &outbox)
        case .openStream(let token, let peer, _): openStream(token, to: peer, at: now, &outbox)
        case .write(let token, let bytes, let isFinal):
            write(bytes, isFinal: isFinal, to: token)
        case .reset(let token): resetStream(token)
        case .release(let token): releaseStream(token)
        case .reply(let id, let reply): outbox.effects.append(.reply(id, reply))
        case .disk(let request): outbox.effects.append(.disk(request))
        case .backend(let request): outbox.effects.append(.backend(request))
        case .record(let entry): outbox.effects.append(.record(entry))
        }
    }

    // MARK: Messages

    private mutating func send(
        _ message: RawSpan, to peer: PeerHandle, at now: Instant, _ outbox: inout Outbox
    ) {
        guard message.byteCount > 0 else { return }
        guard let hostility else { return sendAsIs(message, to: peer, at: now, &outbox) }
        for altered in hostility.alter(message) {
            sendAsIs(altered.span.bytes, to: peer, at: now, &outbox)
        }
    }

    private mutating func sendAsIs(
        _ message: RawSpan, to peer: PeerHandle, at now: Instant, _ outbox: inout Outbox
    ) {
        messages.sent.count(message)
        commons.posts.count(message)
        guard let i = sessions.find(peer, lifetimes, at: now) else {
            return connect(to: peer, first: message, at: now, into: &outbox)
        }
        if sessions[i].isConnecting {
            enqueue(message, for: peer)
        } else if peer == answering {
            ride(message)
        } else {
            sendData(message, i, at: now, into: &outbox)
        }
    }

    /// As a node with a transport does, but that the peer is not told.
    private mutating func hangUp(_ peer: PeerHandle, at now: Instant) {
        guard let i = sessions.find(peer, lifetimes, at: now), !sessions[i].isConnecting,
            now - sessions[i].activeAt >= ParticipantEffect.silenceOfTheDead
        else { return }
        let session = sessions[i].number
        sessions.remove(peer)
        dropStreams(with: peer, session: session, at: now)
    }

    mutating func ride(_ message: RawSpan) {
        let room = PlainPacket.responseRoom(introduction: commons.introductionByteCount)
        if rider.count + PlainPacket.frameHeader + message.byteCount <= room {
            PlainPacket.appendFrame(message, to: &rider)
        } else {
            behind.append(message.array)
        }
    }

    mutating func sendData(
        _ message: RawSpan, _ i: Int, at now: Instant, into outbox: inout Outbox
    ) {
        let session = sessions[i]
        sessions.sent(i, at: now)
        guard let address = commons.book.address(session.peer) else { return }
        post(.data, session.number, message, to: address, into: &outbox)
    }

    func post(
        _ kind: PlainPacket.Kind, _ session: UInt32, _ content: RawSpan = RawSpan(),
        isFrames: Bool = false, to address: SocketAddress, into outbox: inout Outbox
    ) {
        let byteCount = PlainPacket(
            kind, from: handle, session: session, servesDHT: commons.servesDHT
        ).append(
            content, isFrames: isFrames, introduction: commons.introductionByteCount,
            to: address, into: &outbox.packets)
        let offset = isFrames ? PlainPacket.frameHeader : 0
        let first =
            content.byteCount > offset
            ? content.unsafeLoad(fromByteOffset: offset, as: UInt8.self) : nil
        commons.wire.count(byteCount, for: first)
    }

    mutating func tellMessages(_ frames: RawSpan, from peer: PeerHandle, at now: Instant) {
        var offset = 0
        while let range = PlainPacket.nextMessage(in: frames, from: &offset) {
            guard !range.isEmpty else { continue }
            let message = frames.extracting(range)
            messages.received.count(message)
            if let post = NumberedPost(message) { lastPostHops = post.hops }
            if hostility != nil, liesAbout(message, from: peer) { continue }
            tell(.message(message, from: peer), at: now)
        }
    }
}

extension World where Resident == MessageNode {
    /// A world of participants that share one peer book and spare their sessions.
    public static func ofMessages(
        seed: UInt64, network: NetworkModel = NetworkModel(), disk: DiskModel = DiskModel(),
        configuration: Configuration = .simulated
    ) -> World<MessageNode> {
        let commons = Commons(configuration: configuration)
        return World(seed: seed, network: network, disk: disk) { MessageNode($0, commons) }
    }

    /// Participants of different cohorts have different configurations, but one transport.
    static func ofMessages(
        seed: UInt64, network: NetworkModel, disk: DiskModel, configuration: Configuration,
        cohorts: Cohorts
    ) -> World<MessageNode> {
        let commons = Commons(configuration: configuration)
        return World(seed: seed, network: network, disk: disk) {
            MessageNode($0, commons, cohorts.sharedConfiguration(of: $0.node))
        }
    }
}
