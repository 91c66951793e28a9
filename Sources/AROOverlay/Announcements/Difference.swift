/// The answer to a digest while it is put together: complete up to a place, within the datagrams
/// that the asker takes.

import AROPrimitives
import AROWire

struct Difference {
    private let digest: AnnouncementDigest
    private let datagramsMax: Int
    private var wanted: [UInt64] = []
    private var listed: [AnnouncementEntry] = []
    private var buried: [AnnouncementItem] = []
    private var statements: [AnnouncementItem] = []
    /// Bytes of statements in the datagram that is being filled, and datagrams full.
    private var filled = 0
    private var datagrams = 0
    /// The first place that found no room.
    private var cutAt: UInt64?

    /// Obituaries of one answer: one side's memory of a partition must not crowd out statements.
    private static let buriedMax = 10
    /// What the first datagram may hold beside statements, at most: 60 wanted, 40 listed and 10
    /// obituaries take 1,143 bytes; then no statement goes into it.
    private static let room = WireLimits.messageMax - AnnouncementMessage.newsHeader

    init(of digest: AnnouncementDigest) {
        self.digest = digest
        // Where a list would do, what both sides know still comes whole: it is little.
        datagramsMax = max(Int(digest.room), 2)
    }

    var isFull: Bool { cutAt != nil }

    mutating func want(_ place: UInt64) { wanted.append(place) }

    mutating func bury(_ place: UInt64, _ sequence: UInt64) {
        guard buried.count < Self.buriedMax else { return }
        buried.append(.obituary(place: place, sequence: sequence))
    }

    /// A row that the asker does not know.
    mutating func offer(_ entry: AnnouncementEntry, _ row: @autoclosure () -> Directory.Row) {
        guard digest.room == 0 else { return tell(row()) }
        guard listed.count < AnnouncementAnswer.listedMax else { return cutAt = entry.place }
        listed.append(entry)
    }

    /// A row of which the asker has less.
    mutating func tell(_ row: Directory.Row) {
        let item = AnnouncementItem.statement(row.bytes)
        if filled + item.byteCount > Self.room {
            // The answer itself is one datagram; it may have no room for statements.
            guard datagrams + 2 < datagramsMax else { return cutAt = row.place }
            datagrams += 1
            filled = 0
        }
        filled += item.byteCount
        statements.append(item)
    }

    /// The answer, with as many statements as fit; the others are in ``news``.
    var answer: AnnouncementAnswer { parts.answer }
    var news: [[AnnouncementItem]] { parts.news }

    private var parts: (answer: AnnouncementAnswer, news: [[AnnouncementItem]]) {
        let covered = cutAt.map { $0 - 1 } ?? digest.to
        var answer = AnnouncementAnswer(
            exchange: digest.exchange, covered: covered, wanted: wanted, listed: listed,
            items: buried)
        var packer = ItemPacker(
            first: WireLimits.messageMax - answer.byteCount, fresh: Self.room)
        for item in statements { _ = packer.add(item) }
        answer.items += packer.messages[0]
        return (answer, Array(packer.messages.dropFirst()))
    }
}
