/// Whom an oracle sends a call to. Both know who is alive, every speed, every round trip, and with
/// whom the caller has a session; neither asks anybody. Each counts what its choice will really
/// cost: the handshake where there is no session, the way to the provider, the wait for a slot,
/// the time to the first token, and the way back.

import AROPrimitives

extension CallRun {
    /// Where the first token is to be expected soonest by what runs and waits everywhere, and is
    /// on its way there. Of the answers' lengths it knows the mean.
    mutating func shortest(for node: Int) -> Int {
        let best = best(from: node) { i in
            let provider = providers[i]
            let server = provider.server
            let mean = server.promptTime + server.tokenTime * Int64(server.tokensMean)
            let counters = world.withResident(provider.node) { $0.callCounters }
            let over = counters.map { $0.runsFinished + $0.runsFailed } ?? 0
            let before = Int(provider.assigned) - Int(over)
            let wait =
                before < provider.slots
                ? .zero : mean * Int64(before - provider.slots + 1) / Int64(provider.slots)
            return arrival(at: i, from: node) + wait
        }
        providers[best].assigned += 1
        return best
    }

    /// Where the first token comes soonest, as the lengths of all answers are known.
    mutating func soonest(for node: Int, _ body: [UInt8]) -> Int {
        let best = best(from: node) {
            max(arrival(at: $0, from: node), providers[$0].freeAt.min()!)
        }
        let begin = max(arrival(at: best, from: node), providers[best].freeAt.min()!)
        let server = providers[best].server
        let tokens = world.answerLength(of: body, mean: server.tokensMean)
        let slot = providers[best].freeAt.indices.min {
            providers[best].freeAt[$0] < providers[best].freeAt[$1]
        }!
        providers[best].freeAt[slot] =
            begin + server.promptTime + server.tokenTime * Int64(tokens)
        return best
    }

    /// The live provider with the soonest first token, where a call begins to run at `start`.
    private func best(from node: Int, _ start: (Int) -> Instant) -> Int {
        var best = 0
        var soonest = Instant.distantFuture
        for (i, provider) in providers.enumerated() where world.isRunning(provider.node) {
            let first =
                start(i) + provider.server.promptTime + world.roundTrip(node, provider.node) / 2
            if first < soonest { (best, soonest) = (i, first) }
        }
        return best
    }

    /// When a call that is made now is at the provider.
    private func arrival(at i: Int, from node: Int) -> Instant {
        let half = world.roundTrip(node, providers[i].node) / 2
        return world.now + half * (isConnected(node, to: i) ? 1 : 3)
    }

    func isConnected(_ node: Int, to i: Int) -> Bool {
        let handle = PeerHandle(index: UInt32(providers[i].node))
        return world.withResident(node) { $0.isConnected(to: handle, at: world.now) } ?? false
    }
}

extension MessageNode {
    fileprivate func isConnected(to peer: PeerHandle, at now: Instant) -> Bool {
        sessions.find(peer, lifetimes, at: now).map { !sessions[$0].isConnecting } ?? false
    }
}
