/// What peers do: streams that open and end, answers, and what becomes of a peer that fails.

import AROPrimitives
import AROCrypto
import AROWire

/// Why a link ended.
enum LinkEnd {
    case unreachable
    /// The stream was reset or finished by the peer.
    case reset
    case busy
    case stalled
    /// Too often it lacked what it said it holds.
    case unreliable
    case violation(ExchangeViolation)
}

extension Fetch {
    mutating func linkOpened(_ number: Int, at now: Instant) {
        guard links[number] != nil else { return }
        links[number]!.opened(at: now)
        askAttestations(number, at: now)
        advance(at: now)
    }

    /// The stream is gone without our doing.
    mutating func linkLost(_ number: Int, isUnreachable: Bool, at now: Instant) {
        guard links[number] != nil else { return }
        release(number, because: isUnreachable ? .unreachable : .reset, at: now)
        advance(at: now)
    }

    mutating func linkReceived(
        _ number: Int, _ bytes: RawSpan, isFinished: Bool, at now: Instant
    ) {
        guard links[number] != nil else { return }
        if links[number]!.isDoubted { peerAnswered(links[number]!.peer) }
        links[number]!.arrived(bytes.byteCount, at: now, config)
        var reader = ByteReader(bytes)
        var isNews = isFinished
        do throws(DecodingFailure) {
            // The link itself is not copied: its decoder holds a block that would be copied too.
            while let blockMax = links[number]?.blockMax,
                let answer = try links[number]!.decoder.next(&reader, blockMax: blockMax)
            {
                answered(number, answer, at: now)
                isNews = true
            }
        } catch {
            leave(number, because: .violation(.malformed(error)), at: now)
        }
        chargeAnnounced(number, at: now)
        if isFinished { leave(number, because: .reset, at: now) }
        // A part of a block changes nothing but the stall clock, which may ring too early.
        if isNews || links[number] == nil { advance(at: now) }
    }

    /// A block under way may be larger than its parents promise: the tree is malformed, or the peer
    /// lies; only the whole block tells. One such block is let in, more end the link.
    private mutating func chargeAnnounced(_ number: Int, at now: Instant) {
        guard let announced = links[number]?.decoder.blockUnderWay else { return }
        let extra = links[number]!.announced(announced)
        if extra > 0, bytesInFlight > config.bytesInFlightMax + WireLimits.blockMax {
            leave(number, because: .unreliable, at: now)
        }
    }
}

// MARK: - Answers

extension Fetch {
    private mutating func answered(_ number: Int, _ answer: ExchangeAnswer, at now: Instant) {
        if case .refused = answer { return leave(number, because: .busy, at: now) }
        guard links[number]!.due != nil else {
            return leave(number, because: .violation(.wrongAnswer), at: now)
        }
        let request = links[number]!.answered(at: now)
        switch (request.asked, answer) {
        case (.block(let cid), .block(let block)):
            given(number, cid, block, request, at: now)
        case (.block(let cid), .missing): missed(number, cid, at: now)
        case (.block, .cancelled) where request.isCancelled: break
        case (.have(let cids), .haveMap(let map)): told(number, cids, map, at: now)
        case (.attestations, .attestations(let all)): attested(number, all, at: now)
        default: leave(number, because: .violation(.wrongAnswer), at: now)
        }
    }

    private mutating func given(
        _ number: Int, _ cid: CID, _ block: [UInt8], _ request: FetchLink.Request,
        at now: Instant
    ) {
        guard cid.matches(block.span.bytes) else {
            release(cid, from: number)
            return leave(number, because: .violation(.wrongBytes), at: now)
        }
        links[number]!.delivered(request, at: now)
        blockTime = blockTime.map { ($0 * 3 + (now - request.sentAt)) / 4 } ?? now - request.sentAt
        progress.bytesFetched += UInt64(block.count)
        guard let want = wants[cid], want.state == .open || want.state == .requested else { return }
        (progressedAt, searchesInVain) = (now, 0)
        cancelHolders(of: want, but: number, at: now)
        do throws(FetchFailure) { try verified(cid, block) } catch { fail(error) }
    }

    private mutating func missed(_ number: Int, _ cid: CID, at now: Instant) {
        let bit: UInt64 = 1 << UInt64(number)
        let wasPromised = wants[cid].map { $0.saidHeld & bit != 0 } ?? false
        wants[cid]?.saidHeld &= ~bit
        wants[cid]?.saidMissing |= bit
        release(cid, from: number)
        links[number]!.isKnownPartial = true
        if !links[number]!.isPartial {
            links[number]!.isPartial = true
            links[number]!.haveMapDueAt = now
        }
        guard wasPromised else { return }
        links[number]!.brokenPromises += 1
        if links[number]!.brokenPromises >= config.brokenPromisesMax {
            leave(number, because: .unreliable, at: now)
        }
    }

    private mutating func told(_ number: Int, _ cids: [CID], _ map: [UInt8], at now: Instant) {
        guard map.count == (cids.count + 7) / 8 else {
            return leave(number, because: .violation(.wrongAnswer), at: now)
        }
        let bit: UInt64 = 1 << UInt64(number)
        for (i, cid) in cids.enumerated() {
            let isHeld = ExchangeAnswer.haveMap(map, i)
            if !isHeld { links[number]!.isKnownPartial = true }
            guard let want = wants[cid], want.state == .open || want.state == .requested else {
                continue
            }
            wants[cid]!.saidHeld = isHeld ? want.saidHeld | bit : want.saidHeld & ~bit
            wants[cid]!.saidMissing = isHeld ? want.saidMissing & ~bit : want.saidMissing | bit
        }
        // Who has it all need not be asked what it has.
        if !links[number]!.isKnownPartial { links[number]!.isPartial = false }
        links[number]!.haveMapDueAt =
            now + config.haveMapInterval * Int64(100 + cids.count) / 100
    }
}

// MARK: - Who signed the root

extension Fetch {
    /// Peers that are asked who signed the root when nobody demands to know (a guess).
    private static let curiosityMax = 2

    private mutating func askAttestations(_ number: Int, at now: Instant) {
        guard knowsOwnAttestations, !links[number]!.attestationsAsked,
            phase == .attesting
                || progress.publisher == nil && attestationsAsked < Self.curiosityMax
        else { return }
        attestationsAsked += 1
        links[number]!.attestationsAsked = true
        links[number]!.asked(.attestations, at: now)
        send(.attestations(options.root), to: number)
    }

    mutating func diskAttested(_ all: [Attestation], at now: Instant) {
        guard phase != .ended else { return }
        knowsOwnAttestations = true
        for attestation in all where suits(attestation) && attestation.isAuthentic {
            note(attestation)
        }
        for number in links.indices where links[number]?.isOpen == true {
            askAttestations(number, at: now)
        }
        advance(at: now)
    }

    private mutating func attested(_ number: Int, _ all: [[UInt8]], at now: Instant) {
        attestationsAnswered += 1
        for encoded in all {
            // What cannot be read may be of a later version: no offence.
            guard let attestation = try? Attestation(bytes: encoded) else { continue }
            guard attestation.root == options.root, attestation.isAuthentic else {
                return leave(number, because: .violation(.forgedAttestation), at: now)
            }
            guard suits(attestation) else { continue }
            note(attestation)
            steps.append(.writeAttestation(attestation))
        }
    }

    /// Whether it is about our root and by whom we want, and none was found yet.
    private func suits(_ attestation: Attestation) -> Bool {
        progress.publisher == nil && attestation.root == options.root
            && (options.publisher ?? attestation.publisher) == attestation.publisher
    }

    private mutating func note(_ attestation: Attestation) {
        progress.publisher = attestation.publisher
        if phase == .attesting { phase = .fetching }
    }
}

// MARK: - Endings

extension Fetch {
    /// Ends a link that is still there.
    mutating func leave(_ number: Int, because end: LinkEnd, at now: Instant) {
        guard let link = links[number] else { return }
        steps.append(.leave(link: number, abruptly: true))
        if case .violation(let violation) = end { steps.append(.misbehaved(link.peer, violation)) }
        release(number, because: end, at: now)
    }

    /// Frees a link's place; what it owed is open again.
    private mutating func release(_ number: Int, because end: LinkEnd, at now: Instant) {
        guard let link = links[number] else { return }
        links[number] = nil
        for cid in link.blocksOwed { release(cid, from: number) }
        wants.forget(link: number)
        candidateFailed(link.peer, because: end, gave: link.blocksGiven > 0, at: now)
    }

    /// `number` will not send this block: unless another one will, it is open again.
    private mutating func release(_ cid: CID, from number: Int) {
        guard let want = wants[cid], want.state == .requested else { return }
        wants[cid]!.holders &= ~(1 << UInt64(number))
        if wants[cid]!.holders == 0 { wants.set(cid, .open) }
    }
}

extension Attestation {
    /// Whether its publisher signed it.
    fileprivate var isAuthentic: Bool { (try? verify()) != nil }
}
