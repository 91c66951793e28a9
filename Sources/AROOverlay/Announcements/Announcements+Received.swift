/// Messages of others. Every sender has an allowance; what was not asked for and may only be an
/// answer is dropped.

import AROPrimitives
import AROWire

extension Announcements {
    /// A message of the announcements' family arrived from a peer with a session.
    public mutating func received(
        _ bytes: RawSpan, from peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout AnnouncementOutbox
    ) {
        guard neighbourTable.allowsMessage(by: peer, at: now, configuration) else {
            return drops.count(.messagesOverRate)
        }
        let message: AnnouncementMessage
        do throws(DecodingFailure) {
            message = try AnnouncementMessage(decoding: bytes)
        } catch {
            return drops.count(.malformed)
        }
        // It speaks, hence it lives.
        doubts.removeAll { $0.peer == peer }
        switch message {
        case .rumour(let items):
            take(items, isFresh: true, from: peer, at: now, book: &book, into: &out)
        case .digest(let digest): asked(digest, by: peer, at: now, into: &out)
        case .answer(let answer): answered(answer, by: peer, at: now, book: &book, into: &out)
        case .want(let number, let places): give(places, number, to: peer, into: &out)
        case .news(let number, let items):
            guard exchanges.wasAsked(peer, number, at: now) else { return drops.count(.unasked) }
            take(items, isFresh: false, from: peer, at: now, book: &book, into: &out)
        }
    }
}
