/// Gossip in a scenario: subscriptions to one topic, posts to it, and what nodes say of each other.

import AROCrypto
import ARONode
import AROOverlay
import AROPrimitives
import AROWire

/// A request whose replies come for as long as its node lives.
struct RunListener {
    var node: Int
    /// Posts, or changes among members, that were not acknowledged yet.
    var taken = 0
}

extension ScenarioRun where Resident: ~Copyable {
    /// The one topic of all scenarios.
    private var topic: TopicID { TopicID(name: "scenario")! }
    /// What listeners took is acknowledged in bunches, which must be fewer than one is given ahead.
    private static var bunch: Int { 64 }

    // MARK: What the workload asks

    /// Draws who subscribes, among those who have joined, and lays their moments out.
    mutating func subscribe(_ share: Chance, of group: String?, over: Duration) {
        var all = (0..<world.nodeCount).filter { isEligible($0, group) }
        chance.shuffle(&all)
        let chosen = all.prefix(Scenario.Members(.share(share)).number(of: all.count))
        for (i, node) in chosen.enumerated() {
            add(
                .subscribe(node: node),
                at: world.now - .origin + over * Int64(i) / Int64(max(1, chosen.count)))
        }
    }

    mutating func subscribe(_ node: Int) {
        guard world.isRunning(node), gossip.subscribed(node) else { return }
        let id = world.request(.subscribe(topic, SubscriptionOptions()), of: node)
        listeners[id] = RunListener(node: node)
    }

    mutating func broadcast(_ size: Int, hasOneSender: Bool, _ step: Scenario.Step) {
        guard let node = sender(hasOneSender, step.from) else { return tally.skip() }
        let number = gossip.broadcasts.count
        var one = Broadcast(step: place(of: step), at: world.now, audience: gossip.subscribers)
        _ = one.reached.insert(node)
        gossip.broadcasts.append(one)
        let payload = NumberedPost.payload(number, byteCount: size)
        posts.insert(world.request(.post(topic, payload), of: node))
    }

    private func place(of step: Scenario.Step) -> Int {
        var number = 0
        for one in scenario.workload {
            if case .broadcast = one.kind { number += 1 }
            if one == step { break }
        }
        return number
    }

    private mutating func sender(_ isOne: Bool, _ group: String?) -> Int? {
        if isOne, let node = gossip.sender, isEligible(node, group) { return node }
        let all = (0..<world.nodeCount).filter {
            isEligible($0, group) && gossip.subscribers.contains($0)
        }
        guard !all.isEmpty else { return nil }
        let node = all[chance.below(all.count)]
        if isOne { gossip.sender = node }
        return node
    }

    /// Asks a node that just started to tell of changes among members.
    mutating func watchMembers(_ node: Int) {
        guard let id = world.withResident(node, { $0.id }), scenario.watchesMembers else { return }
        nodeOf[id] = node
        listeners[world.request(.watchMembers, of: node)] = RunListener(node: node)
    }

    // MARK: What nodes say

    /// Whether the reply was to a listener or a post.
    mutating func heard(_ node: Int, _ id: RequestID, _ reply: Reply) -> Bool {
        if posts.contains(id) {
            if reply.isFinal { posts.remove(id) }
            if case .failed(let failure) = reply { tally.failed(.broadcast, "\(failure)") }
            return true
        }
        guard let listener = listeners[id] else { return false }
        switch reply {
        case .memberChanged(let change, let peer, _):
            if change == .failed, let other = nodeOf[peer] {
                gossip.heldForFailed(other, at: world.now)
            }
            took(id, listener)
        case .topic(.post(_, _, let payload)): posted(payload, to: listener, id)
        case .failed(let failure): tally.failed(.subscribe, "\(failure)")
        default: break
        }
        return true
    }

    private mutating func posted(_ payload: [UInt8], to listener: RunListener, _ id: RequestID) {
        let node = listener.node
        if let number = NumberedPost.number(of: payload) {
            let isWhole =
                gossip.broadcasts.indices.contains(number)
                && payload == NumberedPost.payload(number, byteCount: payload.count)
            if !isWhole { gossip.forged += 1 }
            let hops = world.withResident(node) { $0.lastPostHops } ?? 0
            gossip.delivered(number, to: node, hops: hops, at: world.now)
        }
        took(id, listener)
    }

    /// A listener that is not heard of again is given nothing more.
    private mutating func took(_ id: RequestID, _ listener: RunListener) {
        var listener = listener
        listener.taken += 1
        if listener.taken >= Self.bunch, world.isRunning(listener.node) {
            _ = world.request(.consumed(id, listener.taken), of: listener.node)
            listener.taken = 0
        }
        listeners[id] = listener
    }

    // MARK: The end

    /// What all nodes sent so far, by what it was for.
    var wireBytes: WireBytes? {
        bootstraps.first.flatMap { world.withResident($0) { $0.wireBytes } } ?? nil
    }

    /// What was added up so far, with its metrics as of now.
    func finishedGossip() -> GossipTally {
        var gossip = gossip
        var draws = world.seeds.generator("measures")
        let copies = bootstraps.first.flatMap { world.withResident($0) { $0.postCopies } } ?? []
        gossip.finish(
            live: (0..<world.nodeCount).map { world.isRunning($0) }, copies: copies,
            watches: scenario.watchesMembers, span: world.now - .origin,
            counters: world.counters, wire: wireBytes,
            others: Resident.gossipMetrics(of: world, &draws))
        return gossip
    }
}
