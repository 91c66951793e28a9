/// How a hostile node behaves: as the real node does, but what it sends, or is asked, is altered on
/// the way by chance. In a world of datagrams all it can touch are packets, which are encrypted; in
/// a world of messages it answers for itself.

import AROPrimitives
import AROWire

public struct Conduct: Hashable, Sendable {
    /// What it sends vanishes; its handshakes do not, so it stays somebody's peer.
    public var drop: Chance = .never
    /// What it sends leaves so much later.
    public var delay: Duration = .zero
    /// It names peers far from the key that it is asked for, and no records. Messages only.
    public var misroute: Chance = .never
    /// It names other liars near the key that it is asked for, and no records. Messages only.
    public var lie: Chance = .never
    /// One bit flips in the signed part of what it passes on; of datagrams, anywhere.
    public var forge: Chance = .never
    /// It sends something a second time that it sent before, to the peer that it speaks to now; of
    /// datagrams, to whom it was for.
    public var replay: Chance = .never

    public init() {}

    /// Whether something of it takes reading the messages.
    var readsMessages: Bool { misroute != .never || lie != .never }
}

/// The liars of a world, who know each other. Sorted by key, so that the nearest to any key lie side
/// by side.
struct Conspiracy {
    private(set) var members: [Member] = []

    struct Member: Hashable {
        var key: DHTKey
        var peer: PeerHandle
    }

    mutating func add(_ peer: PeerHandle, key: DHTKey) {
        let place = place(of: key)
        guard place == members.count || members[place].key != key else { return }
        members.insert(Member(key: key, peer: peer), at: place)
    }

    /// The `count` members nearest to a key. They lie around its place in the order, but for few
    /// that a long common prefix with nobody puts further away.
    func nearest(to key: DHTKey, _ count: Int) -> [PeerHandle] {
        let place = place(of: key)
        let range = max(0, place - 2 * count)..<min(members.count, place + 2 * count)
        return members[range].sorted { $0.key.distance(to: key) < $1.key.distance(to: key) }
            .prefix(count).map(\.peer)
    }

    private func place(of key: DHTKey) -> Int {
        members.partitionPoint { $0.key < key }
    }
}

/// What one hostile node of a world of messages does to its messages.
final class Hostility {
    let conduct: Conduct
    private var chance: Generator
    /// What it sent lately. As many as a replaying node needs to find something old.
    private var sent: [[UInt8]] = []
    private static let sentMax = 64

    init(_ conduct: Conduct, chance: Generator) {
        self.conduct = conduct
        self.chance = chance
    }

    /// What goes out in the place of a message.
    func alter(_ message: RawSpan) -> [[UInt8]] {
        if conduct.drop.falls(&chance) { return [] }
        var bytes = message.array
        if conduct.forge.falls(&chance), Self.isSigned(bytes) { forge(&bytes) }
        guard conduct.replay != .never else { return [bytes] }
        let old = sent.isEmpty ? nil : sent[chance.below(sent.count)]
        if sent.count < Self.sentMax {
            sent.append(bytes)
        } else {
            sent[chance.below(sent.count)] = bytes
        }
        guard let old, conduct.replay.falls(&chance) else { return [bytes] }
        return [bytes, old]
    }

    /// Announcements, posts, and messages of Kademlia that carry a record.
    private static func isSigned(_ message: [UInt8]) -> Bool {
        switch message[0] {
        case KademliaMessage.Kind.answer.rawValue: message.count > 6 && message[6] != 0
        case KademliaMessage.Kind.store.rawValue, AnnouncementMessage.Kind.rumour.rawValue,
            AnnouncementMessage.Kind.news.rawValue, TopicMessage.Kind.post.rawValue:
            true
        default: false
        }
    }

    /// Headers stay whole, so that it is the signature that must tell.
    private func forge(_ message: inout [UInt8]) {
        let head = message.count / 2
        message[head + chance.below(message.count - head)] ^= 1 << UInt8(chance.below(8))
    }

    /// Whom to name to one who asks for a key; nil for an honest answer.
    func named(
        instead find: KademliaFind, _ conspiracy: Conspiracy, _ book: borrowing PeerBook
    ) -> [PeerHandle]? {
        guard find.wanted != .signOfLife else { return nil }
        if conduct.lie.falls(&chance) {
            return conspiracy.nearest(to: find.key, KademliaAnswer.contactsMax)
        }
        guard conduct.misroute.falls(&chance), book.count > 1 else { return nil }
        return strangers(farFrom: find.key, book)
    }

    /// Peers of the other half of the key space, drawn evenly.
    private func strangers(farFrom key: DHTKey, _ book: borrowing PeerBook) -> [PeerHandle] {
        var found: [PeerHandle] = []
        for _ in 0..<4 * KademliaAnswer.contactsMax {
            let peer = PeerHandle(index: UInt32(chance.below(book.count)))
            if book.key(peer).commonPrefixLength(with: key) == 0, !found.contains(peer) {
                found.append(peer)
            }
            if found.count == KademliaAnswer.contactsMax { break }
        }
        return found
    }
}
