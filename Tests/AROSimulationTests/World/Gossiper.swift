/// A small inhabitant for tests of the world itself: it knows its neighbours, talks to one of them
/// by chance every 100 ms, passes on what it hears a few times, asks its disk and answers its user.

import AROContent
import ARONode
import AROPrimitives
import AROSimulation
import AROWire

struct Gossiper: ~Copyable, Inhabitant {
    private var chance: Generator
    private var neighbours: [SocketAddress] = []
    private var next: Instant?
    let life: Int
    private(set) var heard: [[UInt8]] = []
    private(set) var sources: [SocketAddress] = []
    private(set) var diskReplies: [String] = []
    private(set) var wallClocks: [UnixTime] = []
    private(set) var wakes: [Instant] = []
    private(set) var wasShutDown = false

    init(_ birth: Birth) {
        chance = Generator(seed: birth.chanceSeed)
        life = birth.life
    }

    var nextDeadline: Wake? { next.map { Wake(at: $0, reason: .overlay) } }

    mutating func handle(_ input: borrowing Input, at now: Instant, into outbox: inout Outbox) {
        switch input {
        case .datagram(let bytes, let source):
            heard.append(bytes.array)
            sources.append(source)
            if let first = heard.last?.first, first > 0, !neighbours.isEmpty {
                send([first - 1] + (heard.last ?? []), into: &outbox)
            }
        case .deadline:
            wakes.append(now)
            guard let due = next, due <= now else { return }
            next = due + .milliseconds(100)
            send([UInt8(chance.below(4))], into: &outbox)
        case .request(.join(let addresses), let id):
            neighbours = addresses
            next = now + .milliseconds(Int64(chance.below(100)))
            outbox.effects.append(.reply(id, .joined(peers: addresses.count)))
        case .request(.provide(let cid), let id):
            outbox.effects.append(.disk(.read(cid, DiskToken(number: 7))))
            outbox.effects.append(.disk(.contains([cid], DiskToken(number: 8))))
            outbox.effects.append(.disk(.write(cid, [1, 2, 3, 4], DiskToken(number: 9))))
            outbox.effects.append(.reply(id, .held(by: 1, of: 1)))
        case .request(_, let id): outbox.effects.append(.reply(id, .done))
        case .disk(let reply): diskReplies.append("\(reply)")
        case .wallClock(let time): wallClocks.append(time)
        case .shutdown:
            wasShutDown = true
            send([0], into: &outbox)
        case .cancel, .backend: break
        }
    }

    mutating func flush(at now: Instant, into outbox: inout Outbox) {}

    private mutating func send(_ bytes: [UInt8], into outbox: inout Outbox) {
        guard !neighbours.isEmpty else { return }
        let to = neighbours[chance.below(neighbours.count)]
        outbox.packets.append(bytes.span.bytes, to: to)
    }
}

extension World where Resident == Gossiper {
    static func ofGossipers(
        _ count: Int, seed: UInt64, network: NetworkModel = NetworkModel(),
        link: AccessLink = .unlimited
    ) -> World<Gossiper> {
        var world = World(seed: seed, network: network) { Gossiper($0) }
        for _ in 0..<count { world.addNode(link: link) }
        return world
    }

    /// Tells every node of all the others.
    mutating func introduceEveryone() {
        let all = (0..<nodeCount).map { address(of: $0) }
        for node in 0..<nodeCount {
            _ = request(.join(all.filter { $0 != address(of: node) }), of: node)
        }
    }

    /// Runs and throws away what happens.
    mutating func run(for span: Duration) {
        let limit = now + span
        while advance(to: limit) != nil {}
    }

    func heard(by node: Int) -> [[UInt8]] { withResident(node) { $0.heard } ?? [] }
}
