/// Peers that look-ups do not wait for: they did not answer us, or others say that they are gone.
///
/// Gossip tells of a death within seconds, long before a look-up of ours comes upon it. But what is
/// told may be a lie. Who is said to have died is asked all the same and merely not waited for, until
/// the claim has stood for ``KademliaConfiguration/deathStands``: a live peer contradicts sooner, as
/// often as it is accused (``AnnouncementConfiguration/refutationInterval``). Then it is passed over,
/// and its place in the table is free. Whoever is heard from is there, whatever was said.

import AROPrimitives

struct Absences: Sendable {
    enum Cause: UInt8, Sendable {
        /// It did not answer us.
        case silent
        /// Others say that it died; and have said so for long enough.
        case told, settled
        /// It said goodbye.
        case left
    }

    enum Standing: Sendable {
        case present
        /// To be asked, and not to be waited for.
        case doubted
        case absent
    }

    private struct Row: Sendable {
        var peer: PeerHandle
        var cause: Cause
        var at: Instant
    }

    /// Ascending by peer.
    private var rows: [Row] = []
    /// When the first death that was told of will have stood for long enough.
    private(set) var settlesAt = Instant.distantFuture

    var isEmpty: Bool { rows.isEmpty }
    var count: Int { rows.count }
    var heapByteCount: Int { rows.heapByteCount }

    // MARK: Facts

    mutating func note(
        _ peer: PeerHandle, _ cause: Cause, at now: Instant,
        _ configuration: KademliaConfiguration
    ) {
        var row = Row(peer: peer, cause: cause, at: now)
        if let i = index(of: peer) {
            if standing(of: peer, at: now, configuration) == .present { rows[i] = row }
            switch (rows[i].cause, cause) {
            // Two witnesses, others and its silence, are enough.
            case (.told, .silent):
                row = Row(peer: peer, cause: .told, at: now - configuration.deathStands)
            case (.told, .told), (.settled, _), (.left, _): row = rows[i]
            case (.silent, _), (.told, .left), (.told, .settled): break
            }
            rows[i] = row
        } else {
            if rows.count >= configuration.absencesMax { makeRoom() }
            guard rows.count < configuration.absencesMax else { return }
            rows.insert(row, at: position(of: peer))
        }
        plan(configuration)
    }

    /// The peer is there.
    mutating func remove(_ peer: PeerHandle) {
        guard !rows.isEmpty, let i = index(of: peer) else { return }
        rows.remove(at: i)
        if rows.isEmpty { (rows, settlesAt) = ([], .distantFuture) }
    }

    /// Those whose death stood unrefuted for long enough by now; each is named once.
    mutating func takeSettled(
        at now: Instant, _ configuration: KademliaConfiguration
    ) -> [PeerHandle] {
        var settled: [PeerHandle] = []
        for i in rows.indices
        where rows[i].cause == .told && rows[i].at + configuration.deathStands <= now {
            rows[i].cause = .settled
            settled.append(rows[i].peer)
        }
        plan(configuration)
        return settled
    }

    // MARK: Judgement

    func standing(
        of peer: PeerHandle, at now: Instant, _ configuration: KademliaConfiguration
    ) -> Standing {
        guard !rows.isEmpty, let i = index(of: peer) else { return .present }
        let age = now - rows[i].at
        switch rows[i].cause {
        case .silent: return age < configuration.silentFor ? .absent : .present
        case .told where age < configuration.deathStands: return .doubted
        case .told, .settled, .left: return age < configuration.goneFor ? .absent : .present
        }
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) { for row in rows { body(row.peer) } }

    // MARK: Details

    private mutating func plan(_ configuration: KademliaConfiguration) {
        settlesAt = .distantFuture
        for row in rows where row.cause == .told {
            settlesAt = min(settlesAt, row.at + configuration.deathStands)
        }
    }

    /// What is oldest matters least: most others know it, too, and do not name the peer any more.
    private mutating func makeRoom() {
        guard let oldest = rows.indices.min(by: { rows[$0].at < rows[$1].at }) else { return }
        rows.remove(at: oldest)
    }

    private func index(of peer: PeerHandle) -> Int? {
        let i = position(of: peer)
        return i < rows.count && rows[i].peer == peer ? i : nil
    }

    private func position(of peer: PeerHandle) -> Int {
        rows.partitionPoint { $0.peer < peer }
    }
}

extension Kademlia {
    /// Others say that the peer has died: it is not waited for any more, and passed over when that
    /// was not contradicted for a while.
    public mutating func heardFailed(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        heard.remove(peer, book)
        absences.note(peer, .told, at: now, configuration)
        var doubting: [OperationID] = []
        for i in operations.indices where operations[i].lookup.doubted(peer) {
            doubting.append(operations[i].id)
        }
        for id in doubting { pump(id, at: now, book: &book, into: &out) }
    }

    /// The peer stated that it leaves.
    public mutating func heardLeft(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        heard.remove(peer, book)
        absences.note(peer, .left, at: now, configuration)
        failed(peer, count: configuration.failuresUntilStale, at: now, book: &book, into: &out)
    }

    /// The peer stated something of itself, after it had been held for dead or was not known.
    public mutating func heardBack(_ peer: PeerHandle, book: borrowing PeerBook) {
        absences.remove(peer)
        table.revived(peer, key: book.key(peer))
    }

    /// Something authenticated came from the peer.
    public mutating func heardFrom(_ peer: PeerHandle, at now: Instant) {
        heardAt = now
        absences.remove(peer)
    }

    /// A peer was silent to us since a moment. Where nobody else was heard meanwhile the fault may be
    /// ours.
    mutating func wasSilent(_ peer: PeerHandle, since: Instant, at now: Instant) {
        guard heardAt >= since else { return }
        absences.note(peer, .silent, at: now, configuration)
    }

    /// Contacts whose death was not contradicted in time make room for others.
    mutating func settleAbsences(
        at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        guard absences.settlesAt <= now else { return }
        for peer in absences.takeSettled(at: now, configuration) {
            failed(peer, count: configuration.failuresUntilStale, at: now, book: &book, into: &out)
        }
    }

    /// What a look-up for `key` makes of a peer. The one that is looked for itself is waited for in
    /// any case: nobody can make a live peer unfindable by what he says of it.
    func standing(
        of peer: PeerHandle, in key: DHTKey, at now: Instant, _ book: borrowing PeerBook
    ) -> Absences.Standing {
        guard !absences.isEmpty, book.key(peer) != key else { return .present }
        return absences.standing(of: peer, at: now, configuration)
    }
}
