/// What the workload asks of nodes, and how their answers count.

import AROContent
import AROCrypto
import ARONode
import AROPrimitives
import AROWire

extension ScenarioRun where Resident: ~Copyable {
    mutating func ask(_ step: Scenario.Step) {
        switch step.kind {
        case .publish(let size): publish(size, from: step.from)
        case .lookup, .fetch, .find:
            guard let node = draw(from: step.from) else { return tally.skip() }
            ask(step, of: node)
        case .subscribe(let share): subscribe(share, of: step.from, over: step.over)
        case .broadcast(let size, let hasOneSender):
            broadcast(size, hasOneSender: hasOneSender, step)
        case .call(let model, let deadline): call(model, deadline, from: step.from)
        }
    }

    /// Lets a node look for something or somebody.
    mutating func ask(_ step: Scenario.Step, of node: Int) {
        guard world.isRunning(node), hasJoined[node] else { return tally.skip() }
        switch step.kind {
        case .lookup(let ofLive): seek(for: node, ofLive: ofLive, isFetch: false)
        case .fetch: seek(for: node, ofLive: false, isFetch: true)
        case .find(let of):
            guard let other = draw(from: of, not: node),
                let key = world.withResident(other, { DHTKey(peer: $0.id) })
            else { return tally.skip() }
            ask(.lookup(key), of: node, .find(other))
        case .publish, .subscribe, .broadcast, .call: preconditionFailure("not asked of one node")
        }
    }

    mutating func publish(_ size: Int, from group: String?) {
        guard let node = draw(from: group) else { return tally.skip() }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 7)
        while bytes.count < size { bytes.appendU64(chance.next()) }
        bytes.removeLast(bytes.count - size)
        let cid = world.store(file: bytes, on: node)
        let publication = RunPublication(cid: cid, node: node, size: size)
        ask(.provide(cid), of: node, .publish(publication))
    }

    mutating func seek(for node: Int, ofLive: Bool, isFetch: Bool) {
        guard let wanted = drawPublication(not: node, ofLive: ofLive) else { return tally.skip() }
        if isFetch {
            ask(.fetch(FetchOptions(root: wanted.cid)), of: node, .fetch(wanted))
        } else {
            ask(.findProviders(wanted.cid, limit: 20), of: node, .lookup(wanted))
        }
    }

    /// Something that another node published; of one that runs, where that is asked for.
    private mutating func drawPublication(not node: Int, ofLive: Bool) -> RunPublication? {
        guard !published.isEmpty else { return nil }
        func fits(_ one: RunPublication) -> Bool {
            one.node != node && (!ofLive || world.isRunning(one.node) && hasJoined[one.node])
        }
        for _ in 0..<20 {
            let one = published[chance.below(published.count)]
            if fits(one) { return one }
        }
        let all = published.indices.filter { fits(published[$0]) }
        return all.isEmpty ? nil : published[all[chance.below(all.count)]]
    }

    mutating func ask(_ request: Request, of node: Int, _ kind: RunRequest.Kind) {
        tally.asked(kind.name)
        let at = world.now
        let id = world.request(request, of: node)
        requests[id] = RunRequest(kind: kind, node: node, at: at)
    }

    mutating func answered(_ node: Int, _ id: RequestID, _ reply: Reply) {
        if heard(node, id, reply) { return }
        guard var asked = requests[id] else { return }
        if case .failed(let failure) = reply { tally.failed(asked.kind.name, "\(failure)") }
        let took = world.now - asked.at
        switch (asked.kind, reply) {
        case (.join, .joined):
            joined(node)
            tally.join.succeeded(after: took)
            joinEnded(node)
        case (.join, .failed):
            joinEnded(node)
            add(
                .joinAgain(node: node, since: asked.at), at: world.now - .origin + Self.joinPause)
        case (.publish(let publication), .held(let held, _)):
            tally.holders += UInt64(held)
            if held > 0 {
                published.append(publication)
                churn.published(publication.cid, by: node)
                tally.publish.succeeded(after: took)
            }
        case (.lookup(let wanted), .provider(let contact)):
            noteProvider(contact, wanted, &asked, took)
            requests[id] = asked
        case (.lookup, .searched(let report)):
            tally.searched(report)
            finishLookup(asked, took)
        case (.find(let other), .closest(let contacts, let report)):
            tally.searched(report)
            let isRight = world.withResident(other) { resident in
                contacts.contains { $0.id == resident.id }
            }
            if isRight == true { tally.find.succeeded(after: took) }
            noteOutcome(asked, took, isRight == true)
        case (.lookup, _) where reply.isFinal: finishLookup(asked, took)
        case (.fetch(let wanted), .fetch(.finished)):
            // Read from the disk and checked against the hashes, not believed.
            let isRight = world.file(wanted.cid, on: node)?.count == wanted.size
            if isRight { tally.fetch.succeeded(after: took) }
            noteOutcome(asked, took, isRight)
        case (.fetch, .fetch(.failed)): noteOutcome(asked, took, false)
        case (.call, .call(let event)):
            told(event, id, &asked)
            requests[id] = asked
        default: break
        }
        if reply.isFinal { requests[id] = nil }
    }

    mutating func noteProvider(
        _ contact: Contact, _ wanted: RunPublication, _ asked: inout RunRequest, _ took: Duration
    ) {
        asked.found += 1
        let isRight = world.withResident(wanted.node) { $0.id == contact.id } ?? false
        if isRight, !asked.foundRight {
            asked.foundRight = true
            tally.firstProvider.record(took)
        }
    }

    mutating func finishLookup(_ asked: RunRequest, _ took: Duration) {
        tally.providersFound += UInt64(asked.found)
        if asked.foundRight { tally.lookup.succeeded(after: took) }
        noteOutcome(asked, took, asked.foundRight)
    }

    mutating func noteOutcome(_ asked: RunRequest, _ took: Duration, _ isRight: Bool) {
        tally.ended(asked.kind.name, after: took, succeeded: isRight)
        outcomes.append(
            Outcome(
                kind: asked.kind.name, at: asked.at - .origin, node: asked.node, took: took,
                providers: asked.found, succeeded: isRight))
    }
}

/// Something that a node of a run holds and has told of.
struct RunPublication {
    var cid: CID
    var node: Int
    var size: Int
}

/// A request that is not answered yet.
struct RunRequest {
    var kind: Kind
    var node: Int
    var at: Instant
    var found = 0
    var foundRight = false

    enum Kind {
        case join
        case publish(RunPublication)
        case lookup(RunPublication)
        case fetch(RunPublication)
        /// The node that is looked for.
        case find(Int)
        case call

        var name: RequestKind {
            switch self {
            case .join: .join
            case .publish: .publish
            case .lookup: .lookup
            case .fetch: .fetch
            case .find: .find
            case .call: .call
            }
        }
    }
}
