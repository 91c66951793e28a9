/// Push-pull anti-entropy (Demers and others 1987, §1.3), one slice of the key ring at a time: digest,
/// then difference, each one datagram or a few. Both sides' numbers of peers differ on purpose
/// where the network is larger than the directories: a full directory asks for a list first, and
/// wants only what it would keep.

import AROPrimitives
import AROWire

extension Announcements {
    // MARK: Beginning

    mutating func keepExchanging(at now: Instant, into out: inout AnnouncementOutbox) {
        if let current = exchanges.current, current.deadline <= now {
            unanswered(current, at: now, into: &out)
        }
        let isDue = exchanges.tickAt <= now
        if isDue { exchanges.ticked(configuration, generator: &generator, at: now) }
        guard exchanges.current == nil else { return }
        if let peer = exchanges.nextQueued(at: now) {
            begin(with: peer, .sync, from: randomStart(), at: now, into: &out)
        } else if isDue {
            beginUnasked(at: now, into: &out)
        }
    }

    private mutating func unanswered(
        _ exchange: Exchange, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        guard exchange.purpose == .sync, exchange.tries < configuration.syncTries else {
            exchanges.current = nil
            return out.events.append(.unanswered(exchange.peer))
        }
        ask(exchange, at: now, into: &out)
    }

    /// With a neighbour, mostly. Now and then with another member, as samples of neighbours grow
    /// alike, and with one that failed, as it may be back.
    ///
    /// A full directory cannot hope that its neighbours hold the renewals of its members, as their
    /// samples differ: it asks the members themselves, rather those whose statements run out, and
    /// compares what stands around them. So a statement that somebody keeps stays, and gets to
    /// others at random places of the network.
    private mutating func beginUnasked(at now: Instant, into out: inout AnnouncementOutbox) {
        if directory.isFull, generator.chance(1, in: configuration.renewalOneIn),
            let i = oldMember()
        {
            let row = directory.rows[i]
            return begin(with: row.peer, .renewal, from: row.place, at: now, into: &out)
        }
        if directory.counts.failed > 0, generator.chance(1, in: configuration.failedOneIn),
            let i = randomMember(.failed)
        {
            // Where it stands itself: it sees at once what is said of it.
            let row = directory.rows[i]
            return begin(with: row.peer, .knock, from: row.place, at: now, into: &out)
        }
        guard let peer = nextPartner() else { return }
        begin(with: peer, .tick, from: randomStart(), at: now, into: &out)
    }

    /// Of a few members drawn at random the one whose statement runs out first: always the first of
    /// all would be the same until it makes a new one.
    private mutating func oldMember() -> Int? {
        var best: Int?
        for _ in 0..<Self.membersDrawn where !directory.rows.isEmpty {
            let i = generator.below(directory.rows.count)
            let row = directory.rows[i]
            if directory.isOwn(i) || row.state != .alive { continue }
            if let best, directory.rows[best].expires <= row.expires { continue }
            best = i
        }
        return best
    }

    /// With four, 2 % of the members are not asked in five periods. A guess.
    private static var membersDrawn: Int { 4 }

    private mutating func nextPartner() -> PeerHandle? {
        let oneIn = directory.isFull ? configuration.strangerOneInFull : configuration.strangerOneIn
        let isStranger =
            neighbourTable.count == 0
            || (directory.counts.alive > neighbourTable.count
                && generator.chance(1, in: oneIn))
        if isStranger {
            // Where everybody fits in, strangers bring nothing new; but in turn all are seen to live.
            guard others.isEmpty || !directory.isFull else {
                return others[generator.below(others.count)]
            }
            return randomMember(.alive).map { directory.rows[$0].peer }
        }
        return neighbourTable.peers[generator.below(neighbourTable.count)]
    }

    private mutating func randomMember(_ state: MemberState) -> Int? {
        let rows = directory.rows
        guard !rows.isEmpty else { return nil }
        let start = generator.below(rows.count)
        for step in rows.indices {
            let i = (start + step) % rows.count
            if rows[i].state == state, !directory.isOwn(i) { return i }
        }
        return nil
    }

    private mutating func begin(
        with peer: PeerHandle, _ purpose: Exchange.Purpose, from: UInt64, at now: Instant,
        into out: inout AnnouncementOutbox
    ) {
        let isWhole = purpose == .sync && !directory.isFull
        let exchange = Exchange(
            peer: peer, number: exchanges.nextNumber(), purpose: purpose, from: from,
            rounds: isWhole ? configuration.syncRounds : configuration.syncRoundsFull,
            deadline: now)
        ask(exchange, at: now, into: &out)
    }

    /// Where a slice begins, so that every place is as likely to be in it.
    private mutating func randomStart() -> UInt64 {
        let most = AnnouncementDigest.entriesMax
        guard directory.rows.count > most else { return 0 }
        let i = generator.below(directory.rows.count + most - 1) - (most - 1)
        return i <= 0 ? 0 : directory.rows[i].place
    }

    /// Sends the digest of the slice that begins at `exchange.from`.
    private mutating func ask(
        _ exchange: Exchange, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        var exchange = exchange
        let start = directory.position(of: exchange.from)
        let most =
            exchange.purpose == .knock
            ? min(max(configuration.failedEntries, 1), AnnouncementDigest.entriesMax)
            : AnnouncementDigest.entriesMax
        let isRest = directory.rows.count - start <= most
        let slice = start..<(isRest ? directory.rows.count : start + most)
        exchange.to = isRest ? .max : directory.entry(slice.upperBound - 1).place
        let room: UInt8 =
            directory.isFull
            ? 0 : exchange.purpose == .sync ? AnnouncementDigest.roomMax : 2
        exchange.tries += 1
        exchange.deadline = now + configuration.answerTimeout
        out.send(
            .digest(
                AnnouncementDigest(
                    exchange: exchange.number, room: room, from: exchange.from, to: exchange.to,
                    entries: slice.map { directory.entry($0) })), to: exchange.peer)
        exchanges.ask(
            exchange.peer, exchange.number, datagrams: Int(AnnouncementDigest.roomMax), at: now)
        exchanges.current = exchange
    }

    // MARK: Answering

    mutating func asked(
        _ digest: AnnouncementDigest, by peer: PeerHandle, at now: Instant,
        into out: inout AnnouncementOutbox
    ) {
        var difference = Difference(of: digest)
        compare(digest, into: &difference, by: peer, at: now, out: &out)
        let answer = difference.answer
        out.send(.answer(answer), to: peer)
        for items in difference.news { out.send(.news(exchange: digest.exchange, items), to: peer) }
        if !answer.wanted.isEmpty {
            exchanges.ask(
                peer, digest.exchange, datagrams: Int(AnnouncementDigest.roomMax), at: now)
        }
        // It has begun what we were about to begin; unless it is much that we lack.
        if answer.wanted.count <= Self.fewWanted { exchanges.unqueue(peer) }
    }

    /// As many as one exchange surely brings: eight datagrams of at least two statements.
    private static var fewWanted: Int { 16 }

    /// Walks along both lists of the slice.
    private mutating func compare(
        _ digest: AnnouncementDigest, into difference: inout Difference, by peer: PeerHandle,
        at now: Instant, out: inout AnnouncementOutbox
    ) {
        let bound = directory.rankBound(protecting: neighbourTable)
        var i = directory.position(of: digest.from)
        var e = 0
        while !difference.isFull {
            let mine = i < directory.rows.count ? directory.entry(i).place : .max
            let isMine = i < directory.rows.count && mine <= digest.to
            let isTheirs = e < digest.entries.count
            guard isMine || isTheirs else { return }
            if isMine, !isTheirs || mine < digest.entries[e].place {
                offer(i, into: &difference)
                i += 1
            } else if !isMine || digest.entries[e].place < mine {
                weigh(digest.entries[e], bound, into: &difference, at: now)
                e += 1
            } else {
                compare(i, digest.entries[e], into: &difference, by: peer, at: now, out: &out)
                i += 1
                e += 1
            }
        }
    }

    /// A row that the peer did not list.
    private func offer(_ i: Int, into difference: inout Difference) {
        guard directory.rows[i].state == .alive else { return }
        difference.offer(directory.entry(i), directory.rows[i])
    }

    /// An entry of a peer that we do not know.
    private func weigh(
        _ entry: AnnouncementEntry, _ bound: UInt64, into difference: inout Difference,
        at now: Instant
    ) {
        guard !entry.mark.isEnded else { return }
        if let ended = tombstones.sequence(at: entry.place, at: now),
            !entry.mark.isNewer(than: AnnouncementMark(sequence: ended, isEnded: true))
        {
            difference.bury(entry.place, ended)
        } else if directory.rank(of: entry.place) < bound {
            difference.want(entry.place)
        }
    }

    private mutating func compare(
        _ i: Int, _ theirs: AnnouncementEntry, into difference: inout Difference,
        by peer: PeerHandle, at now: Instant, out: inout AnnouncementOutbox
    ) {
        let mine = directory.entry(i).mark
        // As almost always.
        if mine == theirs.mark, !mine.isEnded { return }
        let row = directory.rows[i]
        if theirs.mark.isNewer(than: mine) {
            if !theirs.mark.isEnded {
                difference.want(row.place)
            } else if row.state == .alive {
                contradict(i, by: peer, at: now, into: &out)
            }
        } else if mine.isNewer(than: theirs.mark) {
            if row.state == .failed {
                if !theirs.mark.isEnded { difference.bury(row.place, row.sequence) }
            } else {
                difference.tell(row)
            }
        } else if theirs.mark.isEnded, row.state == .alive {
            contradict(i, by: peer, at: now, into: &out)
        } else if row.state == .failed, !theirs.mark.isEnded {
            difference.bury(row.place, row.sequence)
        }
    }

    /// The peer holds the member of a row for dead, and we do not.
    private mutating func contradict(
        _ i: Int, by peer: PeerHandle, at now: Instant, into out: inout AnnouncementOutbox
    ) {
        if directory.isOwn(i) {
            accused(directory.rows[i].sequence, by: peer, at: now, into: &out)
        } else {
            doubt(i, accuser: peer, at: now, into: &out)
        }
    }

    // MARK: Answered

    mutating func answered(
        _ answer: AnnouncementAnswer, by peer: PeerHandle, at now: Instant, book: inout PeerBook,
        into out: inout AnnouncementOutbox
    ) {
        guard let exchange = exchanges.current, exchange.peer == peer,
            exchange.number == answer.exchange
        else { return drops.count(.unasked) }
        exchanges.current = nil
        take(answer.items, isFresh: false, from: peer, at: now, book: &book, into: &out)
        give(answer.wanted, exchange.number, to: peer, into: &out)
        wantSome(of: answer.listed, exchange.number, of: peer, at: now, into: &out)
        let differences = answer.items.count + answer.wanted.count + answer.listed.count
        goOn(exchange, behind: answer.covered, differences: differences, at: now, into: &out)
    }

    /// Compares the next slice, where there is one.
    private mutating func goOn(
        _ exchange: Exchange, behind covered: UInt64, differences: Int, at now: Instant,
        into out: inout AnnouncementOutbox
    ) {
        guard covered >= exchange.from, exchange.rounds > 1 else { return }
        let isQuiet = differences < configuration.syncDifferencesFew
        var next = exchange
        next.quietRounds = isQuiet ? exchange.quietRounds + 1 : 0
        guard next.quietRounds < configuration.syncQuietRounds || exchange.purpose != .sync,
            next.moveOn(behind: covered)
        else { return }
        next.number = exchanges.nextNumber()
        next.rounds -= 1
        next.tries = 0
        ask(next, at: now, into: &out)
    }

    private mutating func wantSome(
        of listed: [AnnouncementEntry], _ number: UInt16, of peer: PeerHandle, at now: Instant,
        into out: inout AnnouncementOutbox
    ) {
        let bound = directory.rankBound(protecting: neighbourTable)
        var places: [UInt64] = []
        for entry in listed where !entry.mark.isEnded {
            if let i = directory.index(at: entry.place) {
                if entry.mark.isNewer(than: directory.entry(i).mark) {
                    places.append(entry.place)
                }
            } else if directory.rank(of: entry.place) < bound,
                tombstones.sequence(at: entry.place, at: now) == nil
            {
                places.append(entry.place)
            }
        }
        guard !places.isEmpty else { return }
        exchanges.ask(peer, number, datagrams: Int(AnnouncementDigest.roomMax), at: now)
        out.send(.want(exchange: number, places), to: peer)
    }

    /// Sends the statements of these places, as many as one exchange may bring.
    mutating func give(
        _ places: [UInt64], _ number: UInt16, to peer: PeerHandle,
        into out: inout AnnouncementOutbox
    ) {
        let room = WireLimits.messageMax - AnnouncementMessage.newsHeader
        var packer = ItemPacker(first: room, fresh: room)
        for place in places {
            guard let i = directory.index(at: place), directory.rows[i].state != .failed else {
                continue
            }
            let item = AnnouncementItem.statement(directory.rows[i].bytes)
            guard packer.add(item, bound: Int(AnnouncementDigest.roomMax)) else { break }
            exchanges.gained += 1
        }
        for items in packer.messages where !items.isEmpty {
            out.send(.news(exchange: number, items), to: peer)
        }
    }

    mutating func take(
        _ items: [AnnouncementItem], isFresh: Bool, from peer: PeerHandle, at now: Instant,
        book: inout PeerBook, into out: inout AnnouncementOutbox
    ) {
        for item in items {
            switch item {
            case .statement(let bytes):
                let isNews = arrived(
                    bytes, isFresh: isFresh, from: peer, at: now, book: &book, into: &out)
                if isNews, !isFresh { exchanges.gained += 1 }
            case .obituary(let place, let sequence):
                obituaryArrived(
                    place, sequence, isFresh: isFresh, from: peer, at: now, into: &out)
            }
        }
    }
}
