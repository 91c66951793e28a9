/// One fetch: content from the network into the local store.
///
/// Facts come in by past-tense methods, decisions go out as ``FetchStep``s that the caller drains after
/// each. The fetch asks the disk first, several peers then; every block is checked against its name
/// before anything else happens to it, and counts only when the disk has confirmed it. The order of
/// the tree comes from ``Walk``, what is missing stands in ``Wants``, what each peer owes in
/// ``FetchLink``.

import AROPrimitives
import AROWire

/// What a fetch wants done.
enum FetchStep {
    /// Ask the disk; the answers name the same CIDs.
    case contains([CID])
    case read(CID)
    case write(CID, [UInt8])
    case readAttestations(CID)
    case writeAttestation(Attestation)
    /// Open a stream to a peer; the link's number names it from then on.
    case open(PeerHandle, link: Int)
    case send([UInt8], link: Int)
    /// The link is over; `abruptly` where the peer still owes answers.
    case leave(link: Int, abruptly: Bool)
    case findProviders(CID)
    case tell(FetchEvent)
    /// All of the content is here.
    case holds(CID)
    /// Some of it is here, and more will be.
    case holdsPart(CID)
    /// The fetch is over, and what it said to hold in part will not become more.
    case gaveUp(CID)
    case misbehaved(PeerHandle, ExchangeViolation)
}

/// What a peer did that no honest one does.
public enum ExchangeViolation: Hashable, Sendable {
    /// Bytes that are not what they were asked for.
    case wrongBytes
    /// An answer to nothing, or of the wrong kind.
    case wrongAnswer
    case malformed(DecodingFailure)
    /// More requests than ``ExchangeLimits`` allows.
    case tooManyRequests
    /// An attestation with a wrong signature, or of another root.
    case forgedAttestation
}

struct Fetch {
    enum Phase {
        /// The demanded publisher's attestation is looked for.
        case attesting
        case fetching
        case ended
    }

    let id: FetchID
    let options: FetchOptions
    let config: ExchangeConfiguration

    var phase: Phase
    var steps: [FetchStep] = []
    var walk: Walk
    var wants: Wants
    /// By number; nil where a place is free.
    var links: [FetchLink?]
    var candidates: [FetchCandidate] = []

    // The disk.
    var readQueue: [CID] = []
    var readsUnderWay = 0
    var containsUnderWay = 0
    var writingBytes = 0
    /// What a node has in bytes, by those seen; at first that of a file node of 1,024 links.
    var nodeWeight = 50 << 10
    /// The disk told which attestations it holds.
    var knowsOwnAttestations = false

    // The search for providers.
    var isSearching = false
    var searchDueAt: Instant?
    var searches = 0
    var searchesInVain = 0
    /// Peers that were asked who signed the root.
    var attestationsAsked = 0
    var attestationsAnswered = 0
    /// Until the next search, while there are peers; doubles as long as nobody new is found.
    var searchPause: Duration
    var hasFoundNew = false
    /// The last new block of the network, or when the network was first needed.
    var progressedAt: Instant?
    /// How long blocks took from the question to the answer, lately.
    var blockTime: Duration?

    var progress = FetchProgress()
    var toldProgress = FetchProgress()
    var toldAt: Instant
    private let begunAt: Instant
    /// What was told to others: that a part is here.
    private(set) var offered: CID?
    private(set) var nextDeadline: Instant?

    /// - Parameter salt: by chance; see ``FetchOptions/Order/any``.
    init(
        id: FetchID, options: FetchOptions, config: ExchangeConfiguration, salt: UInt64,
        at now: Instant
    ) {
        (self.id, self.options, self.config) = (id, options, config)
        wants = Wants(options.order, readAhead: config.readAheadMax, salt: salt)
        (searchPause, begunAt) = (config.searchIntervalMin, now)
        let limits = WalkLimits(blocksMax: config.blocksMax, linksMax: config.linksMax)
        walk = Walk(options, limits: limits)
        phase = options.publisher == nil ? .fetching : .attesting
        links = Array(repeating: nil, count: min(config.providersMax, 64))
        toldAt = now
        steps.append(.readAttestations(options.root))
        advance(at: now)
    }

    /// Everything that follows from what is known by now. Called after each fact.
    mutating func advance(at now: Instant) {
        guard phase != .ended else { return }
        do throws(FetchFailure) {
            try refill()
            try recruit(at: now)
        } catch {
            return fail(error)
        }
        schedule(at: now)
        if phase == .fetching, walk.isExhausted, wants.isEmpty { return finish() }
        offerEarly(at: now)
        tellProgress(at: now)
        nextDeadline = deadline(after: now)
    }

    mutating func deadlinePassed(at now: Instant) {
        for number in links.indices {
            guard let due = links[number]?.givenUpAt(config), due <= now else { continue }
            let isConnected = links[number]!.isOpen
            leave(number, because: isConnected ? .stalled : .unreachable, at: now)
        }
        advance(at: now)
    }

    /// The user does not want it any more.
    mutating func cancelled() { end() }
}

// MARK: - The end

extension Fetch {
    private mutating func finish() {
        noteProgress()
        if progress.bytesWanted == nil { progress.bytesWanted = progress.bytesStored }
        if let target = toBeOffered { steps.append(.holds(target)) }
        offered = nil
        end()
        steps.append(.tell(.finished(progress)))
    }

    mutating func fail(_ failure: FetchFailure) {
        guard phase != .ended else { return }
        end()
        steps.append(.tell(.failed(failure)))
    }

    private mutating func end() {
        phase = .ended
        nextDeadline = nil
        for number in links.indices where links[number] != nil {
            steps.append(.leave(link: number, abruptly: !links[number]!.isIdle))
            links[number] = nil
        }
        if let offered { steps.append(.gaveUp(offered)) }
        offered = nil
    }

    /// What others may be told of: what was asked for in part is not offered.
    private var toBeOffered: CID? {
        options.range == nil && options.scope == .all ? walk.target : nil
    }

    /// Offers what is here so far. Blocks of a tree's nodes alone are of no use to anybody.
    private mutating func offerEarly(at now: Instant) {
        guard offered == nil, now >= begunAt + config.offerAfter, progress.bytesStored > 0,
            let target = toBeOffered
        else { return }
        offered = target
        steps.append(.holdsPart(target))
    }
}

// MARK: - Telling

extension Fetch {
    private mutating func noteProgress() {
        progress.target = walk.target
        progress.bytesWanted = walk.bytesWanted
        progress.providers = links.reduce(0) {
            $0 + ($1.map { $0.blocksGiven > 0 } == true ? 1 : 0)
        }
    }

    private mutating func tellProgress(at now: Instant) {
        guard now >= toldAt + config.progressInterval else { return }
        noteProgress()
        guard progress != toldProgress else { return }
        (toldProgress, toldAt) = (progress, now)
        steps.append(.tell(.progress(progress)))
    }

    private func deadline(after now: Instant) -> Instant? {
        var next = providerDeadline(after: now)
        for case let link? in links { next = earliest(next, link.givenUpAt(config)) }
        next = earliest(next, scheduleDeadline(after: now))
        if progress != toldProgress {
            next = earliest(next, max(toldAt + config.progressInterval, now + .nanoseconds(1)))
        }
        return next
    }
}
