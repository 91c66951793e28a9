/// What arrives of statements and obituaries, and what becomes of it. What costs nothing is checked
/// first; the signature, which costs a tenth of a millisecond, last, and only of statements that
/// would be kept.

import AROPrimitives
import AROCrypto
import AROWire

/// An obituary that is not believed yet: the accused was asked.
struct Doubt: Sendable {
    var peer: PeerHandle
    var place: UInt64
    var sequence: UInt64
    var until: Instant
}

extension Announcements {
    // MARK: Statements

    /// Takes a statement. Returns whether it was news.
    ///
    /// - Parameter isFresh: it was pushed, by one to whom it was news.
    mutating func arrived(
        _ bytes: [UInt8], isFresh: Bool, from sender: PeerHandle, at now: Instant,
        book: inout PeerBook,
        into out: inout AnnouncementOutbox
    ) -> Bool {
        guard let head = Announcement.head(of: bytes.span.bytes) else {
            drops.count(.malformed)
            return false
        }
        let place = place(of: head.peer, book)
        switch worth(head.peer, place, head.sequence, at: now, book) {
        case .reading: break
        case .nothing: return false
        case .dropping(let reason):
            drops.count(reason)
            return false
        }
        if let pooled = pool?.statement(bytes, of: head.peer) {
            return take(
                pooled, place, isVerified: true, isFresh: isFresh, from: sender, at: now,
                book: &book, into: &out)
        }
        do throws(DecodingFailure) {
            let announcement = try Announcement(decoding: bytes.span.bytes)
            return take(
                Statement(announcement, bytes: bytes, place: place), place,
                isVerified: pool?.hasVerified(bytes) ?? false, isFresh: isFresh, from: sender,
                at: now, book: &book, into: &out)
        } catch {
            drops.count(.malformed)
            return false
        }
    }

    private enum Worth {
        case reading
        /// A copy of what is held.
        case nothing
        case dropping(AnnouncementDrop)
    }

    private func worth(
        _ peer: PeerID, _ place: UInt64, _ sequence: UInt64, at now: Instant,
        _ book: borrowing PeerBook
    ) -> Worth {
        if let i = directory.index(at: place) {
            let row = directory.rows[i]
            guard book.id(row.peer) == peer else { return .dropping(.clash) }
            if sequence == row.sequence { return .nothing }
            return sequence < row.sequence ? .dropping(.stale) : .reading
        }
        guard let ended = tombstones.sequence(at: place, at: now) else { return .reading }
        return sequence <= ended ? .dropping(.ended) : .reading
    }

    private mutating func take(
        _ statement: Statement, _ place: UInt64, isVerified: Bool, isFresh: Bool,
        from sender: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout AnnouncementOutbox
    ) -> Bool {
        let announcement = statement.announcement
        let i = directory.index(at: place)
        var room = Directory.Room.free
        if i == nil, place != localPlace {
            // Goodbyes of those whom we do not know are of no use.
            if announcement.isLeaving { return false }
            let source = directory.source(
                of: announcement.offer.addresses,
                exemptsPrivate: configuration.privateNetworksAreExempt)
            room = directory.room(
                for: place, source, protecting: neighbourTable, configuration)
            guard room != .none else {
                drops.count(.full)
                return false
            }
        }
        guard verifies(announcement, isVerified, from: sender, at: now) else { return false }
        if place == localPlace {
            own.outrun(by: announcement.sequence, configuration, at: now)
            return false
        }
        let peer = book.intern(announcement.peer)
        if !isVerified { pool?.keep(statement) }
        // As elsewhere, who is far away does not send us to addresses near us.
        let reach = Reach(of: sender, book)
        let usable = reach.usable(announcement.offer.addresses, limit: Contact.addressesMax)
        book.suggest(usable, for: peer)
        let row = row(of: statement, peer, at: now)
        if case .instead(let victim) = room { evict(victim, into: &out) }
        let age = wallClock(at: now) - announcement.issued
        keep(
            row, announcement, isRecent: isFresh || age <= configuration.rumourAgeMax, from: sender,
            at: now, into: &out)
        return true
    }

    private mutating func verifies(
        _ statement: Announcement, _ isVerified: Bool, from sender: PeerHandle, at now: Instant
    ) -> Bool {
        do throws(RecordFailure) {
            try statement.verifyDates(at: wallClock(at: now))
            guard neighbourTable.allowsCheck(by: sender, at: now, configuration) else {
                drops.count(.checksOverRate)
                return false
            }
            if !isVerified { try statement.verifySignature() }
            return true
        } catch {
            drops.count(AnnouncementDrop(error))
            return false
        }
    }

    private mutating func evict(_ i: Int, into out: inout AnnouncementOutbox) {
        let row = directory.remove(at: i)
        if row.state == .alive { out.events.append(.evicted(row.peer)) }
    }

    /// Keeps a verified statement, says what it means, and passes it on unless it only renews or is
    /// old.
    private mutating func keep(
        _ row: Directory.Row, _ statement: Announcement, isRecent: Bool, from sender: PeerHandle,
        at now: Instant, into out: inout AnnouncementOutbox
    ) {
        let old = directory.put(row)
        tombstones.remove(row.place)
        doubts.removeAll { $0.peer == row.peer }
        var isNews = old?.state != .alive
        if statement.isLeaving {
            isNews = old?.state != .left
            end(directory.index(at: row.place)!, as: .left, at: now)
            if isNews { out.events.append(.left(row.peer)) }
        } else if let old, old.state == .alive {
            isNews = statement.offer.differsMaterially(from: old.statement.announcement.offer)
            out.events.append(.updated(row.peer))
        } else if old?.state == .failed {
            out.events.append(.refuted(row.peer, sequence: row.sequence))
        } else {
            out.events.append(.joined(row.peer))
        }
        guard isNews, isRecent || old?.state == .failed else { return }
        rumour(
            Rumours.Row(peer: row.peer, place: row.place, source: sender, obituary: nil), at: now)
    }

    private mutating func end(_ i: Int, as state: MemberState, at now: Instant) {
        let row = directory.rows[i]
        tombstones.set(
            row.place, sequence: row.sequence, until: row.expires, at: now,
            bound: configuration.tombstonesMax)
        directory.end(i, as: state, at: now, until: now + configuration.endedKept)
    }

    // MARK: Obituaries

    /// Somebody claims that statements up to a sequence are over. A claim cannot end what the
    /// claimant need not know of: it counts for the statement held here, and no later one.
    ///
    /// - Parameter isFresh: it was pushed, by one who just believed it.
    mutating func obituaryArrived(
        _ place: UInt64, _ sequence: UInt64, isFresh: Bool, from sender: PeerHandle,
        at now: Instant, into out: inout AnnouncementOutbox
    ) {
        guard neighbourTable.allowsObituary(by: sender, at: now, configuration) else {
            return drops.count(.obituariesOverRate)
        }
        guard let i = directory.index(at: place), directory.rows[i].state == .alive else { return }
        guard directory.rows[i].sequence <= sequence else {
            // The claimant lacks a newer statement: it gets it.
            return out.send(.rumour([.statement(directory.rows[i].bytes)]), to: sender)
        }
        if place == localPlace {
            accused(sequence, by: sender, at: now, into: &out)
        } else if isFresh, !neighbourTable.contains(directory.rows[i].peer) {
            fail(i, source: sender, at: now, into: &out)
        } else {
            doubt(i, accuser: sender, at: now, into: &out)
        }
    }

    mutating func accused(
        _ sequence: UInt64, by accuser: PeerHandle, at now: Instant,
        into out: inout AnnouncementOutbox
    ) {
        out.events.append(.accused(sequence: sequence))
        own.accused(
            sequence, by: accuser, wallClock: wallClock(at: now), configuration, at: now)
    }

    /// The verdict is believed, and passed on.
    mutating func fail(
        _ i: Int, source: PeerHandle?, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        let row = directory.rows[i]
        end(i, as: .failed, at: now)
        doubts.removeAll { $0.peer == row.peer }
        out.events.append(.failed(row.peer))
        rumour(
            Rumours.Row(
                peer: row.peer, place: row.place, source: source, obituary: row.sequence),
            at: now)
    }

    /// Somebody holds the member of a row for dead, and may be out of date or a liar. The member
    /// itself is asked: it refutes, or its silence confirms.
    mutating func doubt(
        _ i: Int, accuser: PeerHandle, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        let row = directory.rows[i]
        // We do not hear it either: two of its watchers are as good as its own silence.
        guard !suspects.contains(row.peer) else {
            return fail(i, source: accuser, at: now, into: &out)
        }
        guard row.peer != accuser, addDoubt(about: row, at: now) else { return }
        out.send(.rumour([.obituary(place: row.place, sequence: row.sequence)]), to: row.peer)
    }

    /// False where there is one already, or no room.
    @discardableResult
    mutating func addDoubt(about row: Directory.Row, at now: Instant) -> Bool {
        guard doubts.count < configuration.doubtsMax,
            !doubts.contains(where: { $0.peer == row.peer })
        else { return false }
        doubts.append(
            Doubt(
                peer: row.peer, place: row.place, sequence: row.sequence,
                until: now + configuration.doubtTimeout))
        return true
    }

    /// We watch the member ourselves, and suspect that it is dead.
    mutating func suspected(
        _ peer: PeerHandle, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        if !suspects.contains(peer) { suspects.append(peer) }
        for i in doubts.indices where doubts[i].peer == peer { doubts[i].until = now }
        settleDoubts(at: now, into: &out)
    }

    mutating func suspectedNoMore(_ peer: PeerHandle) { suspects.removeAll { $0 == peer } }

    mutating func settleDoubts(at now: Instant, into out: inout AnnouncementOutbox) {
        while let d = doubts.firstIndex(where: { $0.until <= now }) {
            let doubt = doubts.remove(at: d)
            guard let i = directory.index(of: doubt.peer, place: doubt.place),
                directory.rows[i].state == .alive,
                directory.rows[i].sequence == doubt.sequence
            else { continue }
            fail(i, source: nil, at: now, into: &out)
        }
    }

    /// A member whose statement runs out is not to be found: it is given up, here alone.
    mutating func renewalFailed(
        _ exchange: Exchange, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        guard let i = directory.index(of: exchange.peer, place: exchange.from),
            directory.rows[i].state == .alive
        else { return }
        end(i, as: .failed, at: now)
        out.events.append(.failed(exchange.peer))
    }

    // MARK: Rumours

    mutating func rumour(_ row: Rumours.Row, at now: Instant, isUrgent: Bool = false) {
        if !rumours.add(row, at: now, isUrgent: isUrgent, configuration) {
            drops.count(.rumoursFull)
        }
    }

    /// Sends what is new to all neighbours, save those who told us and those whom it is about.
    mutating func push(into out: inout AnnouncementOutbox) {
        let rows = rumours.take()
        var last: [Int]?
        for neighbour in neighbourTable.rows.map(\.peer) {
            let picked = rows.indices.filter {
                rows[$0].source != neighbour && rows[$0].peer != neighbour
            }
            guard !picked.isEmpty else { continue }
            if picked.count == 1, picked == last {
                out.resend(to: neighbour)
                continue
            }
            let room = WireLimits.messageMax - AnnouncementMessage.rumourHeader
            var packer = ItemPacker(first: room, fresh: room)
            for i in picked {
                if let item = item(of: rows[i]) { _ = packer.add(item) }
            }
            for items in packer.messages where !items.isEmpty {
                out.send(.rumour(items), to: neighbour)
                last = picked
            }
        }
    }

    private func item(of rumour: Rumours.Row) -> AnnouncementItem? {
        if let sequence = rumour.obituary {
            return .obituary(place: rumour.place, sequence: sequence)
        }
        guard let i = directory.index(of: rumour.peer, place: rumour.place) else { return nil }
        return .statement(directory.rows[i].bytes)
    }
}
