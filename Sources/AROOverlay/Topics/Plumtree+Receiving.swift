/// What neighbours send: posts, announcements, requests, and changes of the tree.

import AROPrimitives
import AROCrypto
import AROWire

extension Plumtree {
    enum Arrival {
        case dropped
        /// New and verified: deliver it.
        case new
        /// The neighbour forwards false signatures; leave it.
        case misbehaved
    }

    /// A post arrived from neighbour `i`.
    ///
    /// - Parameters:
    ///   - bytes: the whole message.
    ///   - payload: its end.
    mutating func received(
        _ head: TopicPostHead, _ path: TopicPostPath, _ payload: RawSpan, in bytes: RawSpan,
        from i: Int,
        wallClock: UnixTime, at now: Instant, into out: inout TopicsOutbox
    ) -> Arrival {
        count { $0.postsReceived += 1 }
        noteHas(head.name, slot: neighbours[i].slot)
        guard !publishers.hasSeen(head.name) else {
            receivedAgain(head.name, path, from: i, at: now, into: &out)
            return .dropped
        }
        guard checkDates(head.issued, wallClock) else { return .dropped }
        guard
            neighbours[i].posts.take(
                1, burst: configuration.postsBurst, perSecond: configuration.postsPerSecond, at: now
            )
        else {
            drops.count(.postsOverRate)
            return .dropped
        }
        guard checkSignature(head, payload) else { return forged(by: i) }
        let post = RememberedPost(
            name: head.name, hops: UInt8(min(path.hops + 1, TopicMessage.hopsMax)),
            isMended: path.isMended,
            source: neighbours[i].peer, at: now, bytes: bytes.array)
        let isOld = wantsAll && head.issued + .seconds(2) < wallClock + (startedAt - now)
        accept(post, isOld: isOld, from: i, at: now, into: &out)
        return .new
    }

    /// - Parameter isOld: whether it seems to be from before our time.
    private mutating func accept(
        _ post: RememberedPost, isOld: Bool, from i: Int, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        var post = post
        count { $0.postsNew += 1 }
        noteSteady(post.name.publisher)
        var told = UInt64(1) << UInt64(neighbours[i].slot)
        let awaited = missing.index(of: post.name).map { missing.remove(at: $0) }
        if let awaited {
            for source in awaited.sources {
                guard let n = index(of: source.peer) else { continue }
                if source.hops != nil { told |= 1 << UInt64(neighbours[n].slot) }
            }
            post.wasAsked = awaited.asked == neighbours[i].peer
            post.isMended = post.isMended || post.wasAsked && !awaited.isGrafted
            post.mayRepeat = awaited.attempts > 0
        }
        if post.wasAsked {
            repaired()
        } else if !post.isMended {
            pushed(post, from: i, awaited, at: now, into: &out)
        }
        let (row, lastEnd) = publishers.saw(
            post.name, at: now, limit: configuration.publishersMax)
        // What we alone wanted to catch up with is nothing new to others.
        guard !(isOld && post.wasAsked) else { return }
        spread(post, told: told, at: now, into: &out)
        if let lastEnd, lastEnd < post.name.sequence {
            noteGap(row: row, from: lastEnd, to: post.name.sequence, source: i, at: now)
        }
    }

    private mutating func noteSteady(_ publisher: PeerID) {
        let count = steady?.publisher == publisher ? steady?.count ?? 0 : 0
        steady = (publisher, min(count + 1, configuration.steadyPosts))
    }

    /// The best tree is another one for each publisher; where several take turns, changing it for one
    /// makes it worse for the others, and cuts them off until repaired.
    private var isSteady: Bool { (steady?.count ?? 0) >= configuration.steadyPosts }

    private mutating func repaired() {
        count { $0.postsRepaired += 1 }
        repairs = min(repairs + 2, configuration.repairsUntilGraft * 2)
    }

    private mutating func pushed(
        _ post: RememberedPost, from i: Int, _ awaited: MissingPost?, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        repairs = max(repairs - 1, 0)
        neighbours[i].isEager = true
        guard let awaited, awaited.isAnnounced else { return }
        lateness.measured(now - awaited.since)
        guard isSteady else { return }
        optimise(post, from: i, awaited, into: &out)
    }

    /// Plumtree §3.7: a link that would have brought the post over many fewer hops replaces the one
    /// that did.
    private mutating func optimise(
        _ post: RememberedPost, from i: Int, _ awaited: MissingPost, into out: inout TopicsOutbox
    ) {
        var best: (neighbour: Int, hops: Int)?
        for source in awaited.sources {
            guard let hops = source.hops.map({ Int($0) + 1 }), let n = index(of: source.peer),
                n != i, best.map({ hops < $0.hops }) ?? true
            else { continue }
            best = (n, hops)
        }
        guard let best, Int(post.hops) - best.hops >= configuration.optimisationHops else {
            return
        }
        replace(i, by: best.neighbour, into: &out)
    }

    /// Neighbour `i` had a post after far fewer hops than it took to us, though it tells us later
    /// than it came: the paper looks at earlier announcements only, and its trees are as deep as the
    /// fastest paths are long.
    private mutating func shorten(
        _ have: TopicHave, from i: Int, at now: Instant, into out: inout TopicsOutbox
    ) {
        guard isSteady, !neighbours[i].isEager, now >= mayShortenAt,
            let position = log.position(of: have.post)
        else { return }
        let post = log[position]
        guard Int(post.hops) - have.hops - 1 >= configuration.shorteningHops, !post.wasAsked,
            let parent = post.source.flatMap({ index(of: $0) }), neighbours[parent].isEager
        else { return }
        mayShortenAt = now + configuration.shorteningInterval
        replace(parent, by: i, into: &out)
    }

    /// Changes the tree: another neighbour pushes to us from now on.
    private mutating func replace(
        _ old: Int, by new: Int, into out: inout TopicsOutbox
    ) {
        neighbours[new].isEager = true
        neighbours[old].isEager = false
        count {
            $0.grafts += 1
            $0.prunes += 1
        }
        out.send(.graft(topic, [], pushes: true), to: neighbours[new].peer)
        out.send(.prune(topic), to: neighbours[old].peer)
    }

    /// A post that was seen before.
    private mutating func receivedAgain(
        _ name: TopicPostName, _ path: TopicPostPath, from i: Int, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        drops.count(.duplicate)
        let peer = neighbours[i].peer
        guard let position = log.position(of: name) else { return }
        let first = log[position]
        guard first.source != peer, !path.isMended, !first.isMended || first.wasAsked else {
            return
        }
        // We asked for it: this may be the answer to that, or a push that came later than we waited
        // for. If the link is one too many, the next post tells.
        guard !first.mayRepeat else {
            guard first.wasAsked, neighbours[i].isEager else { return }
            // The tree was slow and not broken.
            repairs = max(repairs - 3, 0)
            lateness.measured(now - first.at + lateness.wait(roundTrip: roundTripMax))
            return
        }
        neighbours[i].isEager = false
        count { $0.prunes += 1 }
        out.send(.prune(topic), to: peer)
    }

    private mutating func checkDates(_ issued: UnixTime, _ wallClock: UnixTime) -> Bool {
        let skew = RecordLimits.clockSkewMax
        guard issued <= wallClock + skew else {
            drops.count(.fromFuture)
            return false
        }
        guard wallClock <= issued + skew + configuration.staleAfter else {
            drops.count(.stale)
            return false
        }
        return true
    }

    private func checkSignature(_ head: TopicPostHead, _ payload: RawSpan) -> Bool {
        configuration.signs
            ? head.verifies(topic, payload)
            : head.signature == head.modelledSignature(topic, payload)
    }

    private mutating func forged(by i: Int) -> Arrival {
        drops.count(.forged)
        neighbours[i].forgeries += 1
        return Int(neighbours[i].forgeries) >= configuration.forgeriesMax ? .misbehaved : .dropped
    }

    /// A neighbour is known to have a post: it need not be told.
    private mutating func noteHas(_ name: TopicPostName, slot: UInt8) {
        guard let a = announcements.lastIndex(where: { $0.have.post == name }) else { return }
        announcements[a].told |= 1 << UInt64(slot)
    }

    // MARK: Announcements and requests

    mutating func received(
        _ haves: [TopicHave], settled: Bool, from i: Int, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        let wait =
            settled ? .zero : lateness.wait(roundTrip: roundTripMax)
        for have in haves {
            noteHas(have.post, slot: neighbours[i].slot)
            guard !publishers.hasSeen(have.post) else {
                if !settled { shorten(have, from: i, at: now, into: &out) }
                continue
            }
            noteMissing(
                have.post, hops: UInt8(have.hops), from: i, announced: true, due: now + wait,
                at: now)
        }
    }

    mutating func received(
        graft posts: [TopicPostName], pushes: Bool, from i: Int, at now: Instant,
        into out: inout TopicsOutbox
    ) {
        if pushes { neighbours[i].isEager = true }
        for name in posts {
            guard
                neighbours[i].asks.take(
                    1, burst: configuration.asksBurst, perSecond: configuration.asksPerSecond,
                    at: now)
            else { return drops.count(.asksOverRate) }
            guard let position = log.position(of: name) else {
                drops.count(.askedUnknown)
                continue
            }
            count { $0.postsSent += 1 }
            send(log[position], to: neighbours[i].peer, into: &out)
        }
    }

    mutating func receivedPrune(from i: Int) { neighbours[i].isEager = false }
}

extension TopicPostHead {
    /// In simulations: as large as a signature, detects change, costs a hundredth.
    package func modelledSignature(_ topic: TopicID, _ payload: RawSpan) -> Signature {
        let digest = SHA256Digest.of(signedBytes(topic, payload))
        return Signature(r: digest, s: Bits256(digest.w3, digest.w2, digest.w1, digest.w0))
    }
}
