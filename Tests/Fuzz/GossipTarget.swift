/// A member among twelve peers that are all the fuzzer: they join, part, probe, accuse, announce and
/// post what they like, answer what they were asked or something else, and the book is swept at any
/// time. What the member sends must decode, deadlines must come to rest, tables stay bounded.

import AROCrypto
import AROOverlay
import AROPrimitives
import AROWire

struct GossipTarget: ~Copyable {
    private static let peerCount = 12
    private var input: FuzzInput
    private var gossip: Gossip
    private let identity: Identity
    private var book = PeerBook()
    private var out = GossipOutbox()
    private var now = Instant.origin + .seconds(1_000)
    private var ids: [PeerID] = []
    /// The last messages that were sent to anybody: answers are made of them.
    private var asked: [(peer: PeerHandle, bytes: [UInt8])] = []

    private static let wallClock = UnixTime(seconds: 1_800_000_000)

    static func run(_ bytes: [UInt8]) {
        var target = GossipTarget(FuzzInput(bytes))
        target.run()
    }

    private init(_ input: FuzzInput) {
        self.input = input
        identity = Self.author(0)
        var configuration = GossipConfiguration()
        configuration.announcements.directoryMax = 4
        configuration.announcements.tombstonesMax = 4
        configuration.topics.swarmsMax = 3
        configuration.topics.tree.publishersMax = 3
        configuration.topics.tree.rememberedMax = 8
        configuration.failure.watchesMax = 6
        var generator = Generator(seed: 1)
        gossip = Gossip(
            configuration: configuration, local: identity.id, generator: &generator, at: now,
            wallClock: Self.wallClock)
        gossip.addresses = [SocketAddress(ipv4: 0x0102_0304, port: 1)]
        gossip.begin(Seeds.offer, at: now, book: &book)
        for i in 0..<Self.peerCount { ids.append(Self.author(UInt8(i + 1)).id) }
    }

    /// Number 0 is the member itself; the signatures of all are good.
    private static func author(_ number: UInt8) -> Identity {
        Identity(seed: SecretKey(copying: [UInt8](repeating: number &+ 1, count: 32)))
    }

    private mutating func peer(_ i: Int) -> PeerHandle {
        let peer = book.intern(ids[i])
        book.heard(peer, at: SocketAddress(ipv4: 0x0505_0000 + UInt32(i) << 8, port: 4_001))
        return peer
    }

    private mutating func run() {
        var steps = 0
        while !input.isAtEnd, steps < 150 {
            steps += 1
            step()
            drain()
            checkBounds()
        }
    }

    private mutating func step() {
        let peer = peer(input.below(Self.peerCount))
        switch input.below(14) {
        case 0:
            gossip.peerConnected(
                peer, roundTrip: .nanoseconds(1 << Int64(input.below(40))), at: now, book: &book,
                identity: identity, into: &out)
        case 1:
            gossip.join(
                through: [peer], at: now, book: &book, identity: identity, into: &out)
        case 2:
            gossip.peerUnreachable(peer, at: now, book: &book, identity: identity, into: &out)
        case 3: gossip.peerGone(peer, at: now, book: &book, identity: identity, into: &out)
        case 4: useTopic()
        case 5: sweep()
        case 6, 7: passTime()
        case 8: receive(changed(anyMessage()), from: peer)
        case 9, 10: answer()
        default: receive(anyMessage(), from: peer)
        }
    }

    private mutating func receive(_ bytes: [UInt8], from peer: PeerHandle) {
        gossip.received(
            bytes.span.bytes, from: peer, at: now, book: &book, identity: identity, into: &out)
    }

    private mutating func passTime() {
        now += .nanoseconds(1 << Int64(input.below(44)))
        var rounds = 0
        repeat {
            gossip.deadlinePassed(at: now, book: &book, identity: identity, into: &out)
            rounds += 1
            check(rounds < 1_000, "deadlines come to rest")
        } while gossip.nextDeadline.map { $0 <= now } ?? false
    }

    private mutating func topic() -> TopicID {
        TopicID(bits: Bits256(UInt64(1 + input.below(4)), 2, 3, 4))
    }

    private mutating func useTopic() {
        let topic = topic()
        switch input.below(4) {
        case 0:
            var options = SubscriptionOptions()
            options.ordered = input.flag()
            options.catchesUp = input.flag()
            options.backlogMax = 8
            try? gossip.subscribe(
                topic, options, at: now, book: &book, identity: identity, into: &out)
        case 1:
            gossip.unsubscribe(topic, at: now, book: &book, identity: identity, into: &out)
        case 2:
            _ = try? gossip.publish(
                input.run(20), in: topic, at: now, book: &book, identity: identity, into: &out)
        default:
            let found = peer(input.below(Self.peerCount))
            gossip.found(
                [found], in: topic, at: now, book: &book, identity: identity, into: &out)
            gossip.consumed(
                topic, count: input.below(9), at: now, book: &book, identity: identity,
                into: &out)
        }
    }

    /// What is not reported as used is gone.
    private mutating func sweep() {
        var used: Set<PeerHandle> = []
        gossip.forEachUsedHandle { used.insert($0) }
        for (peer, _) in asked { used.insert(peer) }
        book.sweep { used.contains($0) }
    }

    // MARK: What peers say

    private mutating func anyMessage() -> [UInt8] {
        switch input.below(5) {
        case 0: pick(Seeds.membership.map(\.bytes))
        case 1: pick(Seeds.probes.map(\.bytes))
        case 2: rumour()
        case 3: topicMessage()
        default:
            [[0x20, 0x28, 0x30, 0x40][input.below(4)] + UInt8(input.below(8))] + input.run(400)
        }
    }

    private mutating func pick(_ all: [[UInt8]]) -> [UInt8] { all[input.below(all.count)] }

    private mutating func changed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<1 + input.below(4) where !bytes.isEmpty {
            bytes[input.below(bytes.count)] = input.byte()
        }
        return bytes
    }

    private mutating func rumour() -> [UInt8] {
        guard input.flag() else { return pick(Array(Seeds.announcements.dropLast())) }
        let about = input.below(Self.peerCount + 1)
        let sequence = 1_800_000_000 << 8 + UInt64(input.byte())
        guard input.flag() else {
            let place = DHTKey(peer: about == 0 ? identity.id : ids[about - 1]).bits.w0
            return AnnouncementMessage.rumour([.obituary(place: place, sequence: sequence)]).bytes
        }
        let statement = Announcement(
            offer: Seeds.offer, isLeaving: input.below(4) == 0, sequence: sequence,
            issued: Self.wallClock, lifetime: .hours(12), signedBy: Self.author(UInt8(about)))
        return AnnouncementMessage.rumour([.statement(statement.bytes)]).bytes
    }

    private mutating func topicMessage() -> [UInt8] {
        let topic = topic()
        switch input.below(3) {
        case 0:
            let bodies: [MembershipMessage.Body] = [
                .join(addresses: []), .neighbour(.high), .neighbourReply(accepted: true, []),
                .disconnect(.parting), .disconnect(.leaving),
            ]
            return MembershipMessage(swarm: topic.swarm, bodies[input.below(bodies.count)]).bytes
        case 1:
            let run: UInt64 = input.flag() ? 1_800_000_000 << 24 : 1 << 62 - 2_000
            let post = TopicPost(
                topic: topic, payload: input.run(20), sequence: run + input.number() % 2_000,
                issued: Self.wallClock, signedBy: Self.author(input.byte() % 6))
            return TopicMessage.post(
                topic, post, TopicPostPath(hops: input.below(64), isMended: input.flag())
            ).bytes
        default:
            let name = TopicPostName(
                publisher: ids[input.below(Self.peerCount)], sequence: input.number())
            let state = TopicDigest.State(
                publisher: name.publisher, base: input.number(), span: input.below(1_025))
            let digest = TopicDigest(
                isAnswer: input.flag(), leavesOut: input.flag(), horizon: .seconds(60),
                states: [state])
            let messages: [TopicMessage] = [
                .have(topic, [TopicHave(name, hops: 1)], settled: input.flag()),
                .graft(topic, [name], pushes: input.flag()), .prune(topic),
                .digest(topic, digest),
            ]
            return messages[input.below(messages.count)].bytes
        }
    }

    /// Answers one of the messages that were sent, as its receiver.
    private mutating func answer() {
        guard !asked.isEmpty else { return }
        let (peer, bytes) = asked[input.below(asked.count)]
        if let probe = try? ProbeMessage(decoding: bytes.span.bytes) {
            return receive(reply(to: probe).bytes, from: peer)
        }
        if let message = try? MembershipMessage(decoding: bytes.span.bytes) {
            let body: MembershipMessage.Body =
                input.flag() ? .neighbourReply(accepted: input.flag(), []) : .neighbour(.high)
            return receive(MembershipMessage(swarm: message.swarm, body).bytes, from: peer)
        }
        guard case .digest(let digest)? = try? AnnouncementMessage(decoding: bytes.span.bytes)
        else { return receive(changed(bytes), from: peer) }
        let statement = Seeds.statement(
            Self.author(input.byte() % 13), 1_800_000_000 << 8 + UInt64(input.byte()))
        let answer = AnnouncementAnswer(
            exchange: digest.exchange, covered: input.number(),
            wanted: digest.entries.map(\.place), listed: digest.entries,
            items: [.statement(statement.bytes)])
        receive(AnnouncementMessage.answer(answer).bytes, from: peer)
    }

    private mutating func reply(to probe: ProbeMessage) -> ProbeMessage {
        let vitals = Vitals(
            incarnation: input.number(), held: UInt32(truncatingIfNeeded: input.number()))
        switch probe {
        case .ping(let ping): return .ack(Ack(number: ping.number, vitals: vitals))
        case .pingRequest(let request):
            return input.flag() ? .vouch(number: request.number) : .nack(number: request.number)
        case .suspect(let suspicion): return .vouch(number: suspicion.number)
        default: return .ping(Ping(number: 1, vitals: vitals, suspected: input.number()))
        }
    }

    // MARK: What comes out

    private mutating func drain() {
        for send in out.sends {
            let bytes = Array(out.bytes[send.range])
            check(bytes.count <= WireLimits.messageMax, "a message of \(bytes.count) bytes")
            check(Self.isReadable(bytes), "our messages decode: \(bytes)")
            check(book.handle(of: book.id(send.peer)) == send.peer, "a message to nobody")
            asked.append((send.peer, bytes))
        }
        if asked.count > 32 { asked.removeFirst(asked.count - 32) }
        out.removeAll()
    }

    private static func isReadable(_ bytes: [UInt8]) -> Bool {
        switch bytes[0] & 0xf0 {
        case 0x20 where bytes[0] < 0x28:
            (try? MembershipMessage(decoding: bytes.span.bytes)) != nil
        case 0x20: (try? ProbeMessage(decoding: bytes.span.bytes)) != nil
        case 0x30: (try? AnnouncementMessage(decoding: bytes.span.bytes)) != nil
        default: (try? TopicMessage(decoding: bytes.span.bytes)) != nil
        }
    }

    private func checkBounds() {
        check(gossip.neighbours.count <= 5, "neighbours: \(gossip.neighbours.count)")
        check(gossip.passiveView.count <= 30, "passive: \(gossip.passiveView.count)")
        check(gossip.memberCount <= 4, "members: \(gossip.memberCount)")
        check(gossip.topicCount <= 3, "topics: \(gossip.topicCount)")
        check(book.count < 5_000, "the book: \(book.count)")
        gossip.forEachUsedHandle { peer in
            check(book.handle(of: book.id(peer)) == peer, "a handle that the book swept")
        }
    }
}
