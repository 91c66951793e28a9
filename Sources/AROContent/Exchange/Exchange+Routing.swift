/// The disk's replies on their way in, and what fetches and serving want done on its way out.

import AROPrimitives
import AROWire

// MARK: - The disk and time

extension Exchange {
    public mutating func diskReplied(_ reply: DiskReply, at now: Instant) {
        switch reply {
        case .contains(let token, let held):
            switch diskOwners.removeValue(forKey: token.number) {
            case .contains(let id, let cids):
                let elsewhere = seenTo(cids, but: id)
                tell(id, at: now) {
                    $0.diskContained(cids, held, elsewhere: elsewhere, at: now)
                }
            case .served(let request):
                serving.diskReplied(request, .haveMap(ExchangeAnswer.haveMap(of: held)))
                collectServing(at: now)
            default: break
            }
        case .block(let token, let result): blockRead(token, result, at: now)
        case .stored(let token, let result):
            guard case .write(let id, let cid)? = diskOwners.removeValue(forKey: token.number)
            else { return }
            tell(id, at: now) { $0.diskStored(cid, result, at: now) }
            if case .success = result { storedElsewhere(cid, by: id, at: now) }
        case .attestations(let token, let all):
            switch diskOwners.removeValue(forKey: token.number) {
            case .attestations(let id): tell(id, at: now) { $0.diskAttested(all, at: now) }
            case .served(let request):
                let encoded = all.prefix(ExchangeLimits.attestationsMax).map(\.bytes)
                serving.diskReplied(request, .attestations(encoded))
                collectServing(at: now)
            default: break
            }
        }
    }

    private mutating func blockRead(
        _ token: DiskToken, _ result: Result<[UInt8], DiskFailure>, at now: Instant
    ) {
        switch diskOwners.removeValue(forKey: token.number) {
        case .read(let id, let cid):
            let isElsewhere = !seenTo([cid], but: id).isEmpty
            tell(id, at: now) { $0.diskRead(cid, result, isElsewhere: isElsewhere, at: now) }
        case .served(let request):
            var answer = ExchangeAnswer.missing
            if case .success(let block) = result, (1...WireLimits.blockMax).contains(block.count) {
                answer = .block(block)
            }
            serving.diskReplied(request, answer)
            collectServing(at: now)
        default: break
        }
    }

    /// Those blocks that another fetch asks peers for already.
    private func seenTo(_ cids: [CID], but id: FetchID) -> Set<CID> {
        guard running.count > 1 else { return [] }
        return Set(
            cids.filter { cid in
                running.contains { $0.fetch.id != id && $0.fetch.seesTo(cid) }
            })
    }

    /// A fetch need not ask for what another one stored.
    private mutating func storedElsewhere(_ cid: CID, by id: FetchID, at now: Instant) {
        for other in running.map(\.fetch.id) where other != id {
            tell(other, at: now) { $0.storedElsewhere(cid, at: now) }
        }
    }

    private mutating func tell(_ id: FetchID, at now: Instant, _ fact: (inout Fetch) -> Void) {
        guard let i = index(of: id) else { return }
        fact(&running[i].fetch)
        collect(id, at: now)
    }

    /// The clock reached ``nextDeadline``; spurious calls are harmless.
    public mutating func deadlinePassed(at now: Instant) {
        serving.deadlinePassed(at: now)
        collectServing(at: now)
        for id in running.map(\.fetch.id) {
            guard let i = index(of: id), let due = running[i].fetch.nextDeadline, due <= now
            else { continue }
            running[i].fetch.deadlinePassed(at: now)
            collect(id, at: now)
        }
    }

    private mutating func ask(_ owner: DiskOwner, _ request: (DiskToken) -> DiskRequest) {
        lastDiskToken += 1
        diskOwners[lastDiskToken] = owner
        outputs.append(.disk(request(DiskToken(number: lastDiskToken))))
    }
}

// MARK: - Decisions out

extension Exchange {
    /// Turns what a fetch wants done into outputs.
    mutating func collect(_ id: FetchID, at now: Instant) {
        guard let i = index(of: id) else { return }
        let isOver = running[i].fetch.phase == .ended
        guard isOver || !running[i].fetch.steps.isEmpty else { return }
        var steps: [FetchStep] = []
        swap(&steps, &running[i].fetch.steps)
        for step in steps { act(step, i, id) }
        for case let stream? in running[i].streams { writeRequests(stream) }
        guard isOver else { return }
        running.remove(at: i)
        for other in running.map(\.fetch.id) { tell(other, at: now) { $0.otherEnded(at: now) } }
    }

    private mutating func act(_ step: FetchStep, _ i: Int, _ id: FetchID) {
        switch step {
        case .contains(let cids): ask(.contains(id, cids)) { .contains(cids, $0) }
        case .read(let cid): ask(.read(id, cid)) { .read(cid, $0) }
        case .write(let cid, let block): ask(.write(id, cid)) { .write(cid, block, $0) }
        case .readAttestations(let root): ask(.attestations(id)) { .readAttestations(root, $0) }
        case .writeAttestation(let one): outputs.append(.disk(.writeAttestation(one)))
        case .open(let peer, let link):
            let stream = nextStream()
            running[i].streams[link] = stream
            owners[stream] = .fetch(id, link: link)
            outputs.append(.openStream(peer, stream))
        case .send(let bytes, let link):
            if let stream = running[i].streams[link] { outgoing[stream]?.append(bytes) }
        case .leave(let link, let abruptly): leave(i, link, abruptly: abruptly)
        case .findProviders(let cid):
            guard !searches.contains(cid) else { return }
            searches.append(cid)
            outputs.append(.findProviders(cid))
        case .tell(let event): outputs.append(.fetchEvent(id, event))
        case .holds(let cid): outputs.append(.becameProvider(cid))
        case .holdsPart(let cid): outputs.append(.becamePartialProvider(cid))
        case .gaveUp(let cid):
            // Another fetch of the same content goes on.
            guard !running.contains(where: { $0.fetch.offered == cid }) else { return }
            outputs.append(.gaveUpProviding(cid))
        case .misbehaved(let peer, let violation): misbehaved(peer, violation)
        }
    }

    private mutating func leave(_ i: Int, _ link: Int, abruptly: Bool) {
        guard let stream = running[i].streams[link] else { return }
        let isGreeted = outgoing[stream] != nil
        forget(i, link: link)
        if abruptly || !isGreeted {
            outputs.append(.reset(stream))
        } else {
            outputs.append(.write(stream, [], isFinal: true))
            outputs.append(.release(stream))
        }
    }

    private mutating func misbehaved(_ peer: PeerHandle, _ violation: ExchangeViolation) {
        violations += 1
        outputs.append(.misbehaved(peer, violation))
    }

    mutating func collectServing(at now: Instant) {
        var steps: [ServingStep] = []
        swap(&steps, &serving.steps)
        for step in steps {
            switch step {
            case .read(let request, let cid): ask(.served(request)) { .read(cid, $0) }
            case .contains(let request, let cids):
                ask(.served(request)) { .contains(cids, $0) }
            case .readAttestations(let request, let root):
                ask(.served(request)) { .readAttestations(root, $0) }
            case .write(let stream, let bytes, let isFinal):
                outputs.append(.write(stream, bytes, isFinal: isFinal))
                if isFinal { release(stream) }
            case .reset(let stream):
                owners[stream] = nil
                outputs.append(.reset(stream))
            case .misbehaved(let peer, let violation): misbehaved(peer, violation)
            case .asked(let peer, let cids): asked(cids, by: peer, at: now)
            }
        }
    }

    private mutating func asked(_ cids: ArraySlice<CID>, by peer: PeerHandle, at now: Instant) {
        for id in running.map(\.fetch.id) {
            guard let i = index(of: id) else { continue }
            running[i].fetch.asked(for: cids, by: peer, at: now)
            collect(id, at: now)
        }
    }

    /// A served stream got its last bytes.
    private mutating func release(_ stream: ContentStream) {
        guard owners.removeValue(forKey: stream) != nil else { return }
        outputs.append(.release(stream))
    }
}
