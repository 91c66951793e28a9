/// Kademlia as one value: the routing table, the records kept for others, what is published, and
/// the operations under way. Facts come in by past-tense methods, wishes by commands; messages and
/// events come out through the outbox, which the caller drains after each call.
///
/// Maymounkov and Mazières 2002, with the disjoint paths of S/Kademlia (Baumgart and Mies 2007,
/// §4.4). Where ARO deviates, and why, stands in Docs/Decisions/0004-kademlia.md.
///
/// Nothing here knows sessions: a message to a peer without one makes the caller open it. Peers are
/// handles of a ``PeerBook`` that the caller owns; see ``forEachUsedHandle(_:)``.

import AROPrimitives
import AROCrypto
import AROWire

public struct Kademlia: ~Copyable {
    let shared: Shared<KademliaConfiguration>
    public var configuration: KademliaConfiguration { shared.value }
    public let local: PeerID
    /// Whether we answer others, keep records and may be told to others.
    public let serves: Bool
    /// Where we may be reached, best first: goes into the records of what we provide.
    public var addresses: [SocketAddress] = []

    var table: RoutingTable
    var heard = HeardOf()
    var absences = Absences()
    /// When any peer was last heard.
    var heardAt = Instant.origin
    var store = RecordStore()
    var requests = Requests()
    var rates = AskingRates()
    /// How long answers take, over all peers.
    var times: PopulationTime
    var repetitions = Repetitions()
    var publications = Publications()
    var handOvers = HandOvers()
    var operations: [Operation] = []
    var generator: Generator
    var drops = DropCounts()
    /// When to ask old contacts for a sign of life, while no live one is left.
    var rescue: (at: Instant, delay: Duration)?
    var expiryAt: Instant?
    /// When we last joined.
    var joined: Instant?

    private var clock: (time: UnixTime, at: Instant)
    private var lastOperation: UInt32 = 0

    /// - Parameter wallClock: the time of day at `now`, for signed dates.
    public init(
        configuration: KademliaConfiguration = KademliaConfiguration(), local: PeerID,
        serves: Bool = true, generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        self.init(
            Shared(configuration), local: local, serves: serves, generator: generator, at: now,
            wallClock: wallClock)
    }

    /// - Parameter shared: kept, and not copied.
    package init(
        _ shared: Shared<KademliaConfiguration>, local: PeerID, serves: Bool,
        generator: Generator, at now: Instant, wallClock: UnixTime
    ) {
        let configuration = shared.value
        self.shared = shared
        self.local = local
        self.serves = serves
        self.generator = generator
        table = RoutingTable(local: DHTKey(peer: local), at: now)
        times = PopulationTime(first: configuration.expectedFirst)
        clock = (wallClock, now)
    }

    // MARK: The clock

    /// The time of day was read. Between two readings the monotonic clock is believed.
    public mutating func wallClockRead(_ time: UnixTime, at now: Instant) { clock = (time, now) }

    func wallClock(at now: Instant) -> UnixTime { clock.time + (now - clock.at) }

    /// When ``deadlinePassed(at:book:identity:into:)`` wants to be called; it may lie in the past.
    @inline(__always)
    public var nextDeadline: Instant? {
        var next = earliest(requests.deadline, rescue?.at)
        next = earliest(earliest(next, expiryAt), handOvers.due)
        guard mayWorkUnasked else { return next }
        next = earliest(next, publications.nextDue)
        return earliest(next, table.leastTouched.at + shared.value.refreshInterval)
    }

    /// ``nextDeadline`` for who asks after every input: a borrowed value of this size is copied for
    /// a call, a mutable one is not.
    package mutating func dueNext() -> Instant? { nextDeadline }

    public mutating func deadlinePassed(
        at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout KademliaOutbox
    ) {
        while let event = requests.next(at: now, lifetime: configuration.requestLifetime) {
            handle(event, at: now, book: &book, into: &out)
        }
        handOver(at: now, book: book, into: &out)
        keepUp(at: now, book: &book, identity: identity, into: &out)
    }

    // MARK: Peers

    /// A handshake with the peer was completed, or its round-trip time was measured anew.
    ///
    /// - Parameter serves: whether it is known to serve the DHT; its messages tell otherwise.
    public mutating func peerConnected(
        _ peer: PeerHandle, serves: Bool, roundTrip: Duration?, at now: Instant,
        book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        heardFrom(peer, at: now)
        guard serves else { return }
        if let roundTrip { times.measured(roundTrip) }
        let measured = roundTrip.map { RoundTripClass($0) } ?? .unmeasured
        heard(peer, measured, at: now, book: &book, into: &out)
    }

    /// No session with the peer could be opened, or the one there was has died.
    public mutating func peerUnreachable(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        wasSilent(peer, since: now - configuration.requestLifetime, at: now)
        failed(peer, count: configuration.failuresUntilStale, at: now, book: &book, into: &out)
        for request in requests.unreachable(peer) {
            lost(request, isFinal: true, at: now, book: &book, into: &out)
        }
    }

    /// The peer said goodbye: it is not told to others any more until it comes back.
    public mutating func peerGone(
        _ peer: PeerHandle, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        absences.note(peer, .left, at: now, configuration)
        failed(peer, count: configuration.failuresUntilStale, at: now, book: &book, into: &out)
    }

    // MARK: Wishes

    /// Finds the k nearest live peers. Ends with ``KademliaOutcome/closest(_:)``.
    ///
    /// - Parameter paths: disjoint paths, 1 to 8; several withstand lying peers at a price.
    public mutating func startLookup(
        _ key: DHTKey, paths: Int = 1, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) -> OperationID {
        start(.closest, key, paths: paths, at: now, book: &book, into: &out)
    }

    /// Searches providers of a key until `limit` are found or the k nearest peers were asked. Ends
    /// with ``KademliaOutcome/searched(providers:)``.
    public mutating func startProviderSearch(
        _ key: DHTKey, limit: Int, paths: Int = 1, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) -> OperationID {
        start(
            .providers(limit: max(limit, 1)), key, paths: paths, at: now, book: &book, into: &out)
    }

    /// Finds the newest valid record of a name.
    public mutating func resolveName(
        of publisher: PeerID, label: [UInt8], paths: Int = 1, at now: Instant,
        book: inout PeerBook, into out: inout KademliaOutbox
    ) -> OperationID {
        let id = nextID()
        guard NameRecord.isLabel(label) else { return refuse(id, .invalidName, into: &out) }
        let key = NameRecord.key(of: publisher, label: label)
        return start(.name, key, paths: paths, id: id, at: now, book: &book, into: &out)
    }

    /// Looks up ourselves, so that we and our neighbours know each other, and has the buckets of
    /// farther regions refreshed afterwards (Kademlia §2.3). At least one peer must be connected.
    public mutating func join(
        at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) -> OperationID {
        start(.join, table.local, paths: 1, at: now, book: &book, into: &out)
    }

    /// Publishes that we hold the content of `key`, and renews it until ``withdraw(_:)``. Ends with
    /// ``KademliaOutcome/held(by:of:)``.
    public mutating func provide(
        _ key: DHTKey, at now: Instant, book: inout PeerBook, identity: borrowing Identity,
        into out: inout KademliaOutbox
    ) -> OperationID {
        publish(
            Publication(key: key, subject: .content, due: .distantFuture), at: now, book: &book,
            identity: identity, into: &out)
    }

    /// Publishes a name of ours, and renews it with the same sequence until it is replaced or
    /// withdrawn. Ends with ``KademliaOutcome/held(by:of:)``.
    ///
    /// - Parameters:
    ///   - label: 1 to 63 bytes.
    ///   - value: at most 128 bytes.
    ///   - sequence: must be larger than that of every earlier value.
    ///   - lifetime: of each record; at most ``RecordLimits/nameLifetimeMax``.
    public mutating func publishName(
        label: [UInt8], value: [UInt8], sequence: UInt64, lifetime: Duration, at now: Instant,
        book: inout PeerBook, identity: borrowing Identity, into out: inout KademliaOutbox
    ) -> OperationID {
        let isValid =
            NameRecord.isLabel(label) && value.count <= RecordLimits.valueBytesMax
            && lifetime >= .seconds(1)
        guard isValid else { return refuse(nextID(), .invalidName, into: &out) }
        let subject = Publication.Subject.name(
            label: label, value: value, sequence: sequence,
            lifetime: min(lifetime, RecordLimits.nameLifetimeMax))
        let key = NameRecord.key(of: local, label: label)
        return publish(
            Publication(key: key, subject: subject, due: .distantFuture), at: now, book: &book,
            identity: identity, into: &out)
    }

    /// Has a key renewed without an operation of its own: for what a node provided before it was
    /// restarted, or has fetched. Many of them are placed a few at a time. What was told as a part is
    /// told as a whole when it is renewed.
    public mutating func resumeProviding(_ key: DHTKey, at now: Instant) {
        if publications.completed(key) { return }
        guard publications.rows.count < configuration.publicationsMax else { return }
        publications.set(Publication(key: key, subject: .content, due: now))
    }

    /// The same for content that is here in part and still coming: its records are short-lived.
    public mutating func providePart(_ key: DHTKey, at now: Instant) {
        guard publications.rows.count < configuration.publicationsMax, publications[key] == nil
        else { return }
        publications.set(Publication(key: key, subject: .part, due: now))
    }

    /// Stops renewing what is told as a part.
    public mutating func withdrawPart(_ key: DHTKey) {
        if publications[key]?.subject == .part { withdraw(key) }
    }

    /// Stops renewing what is published under a key. Records that peers hold run out.
    public mutating func withdraw(_ key: DHTKey) {
        publications.remove(key)
        store.remove(key, .provider, local)
        store.remove(key, .name, local)
    }

    /// Ends an operation without an event. What it was to publish is tried again later.
    public mutating func cancel(_ id: OperationID, at now: Instant) {
        guard let i = operations.firstIndex(where: { $0.id == id }) else { return }
        let operation = takeOperation(i)
        requests.ended(id, lifetime: configuration.requestLifetime)
        if case .place = operation.goal { placed(operation.key, held: 0, at: now) }
    }

    /// The provider did not give the content that it promised: its record is not handed out here
    /// any more.
    public mutating func providerFailed(_ provider: PeerID, key: DHTKey) {
        store.remove(key, .provider, provider)
    }

    // MARK: Looking in from outside

    public var tableCount: Int { table.count }
    public var recordCount: Int { store.count }
    public var publicationCount: Int { publications.rows.count }
    public var operationCount: Int { operations.count }

    public func isInTable(_ peer: PeerHandle, book: borrowing PeerBook) -> Bool {
        table.position(of: peer, key: book.key(peer)) != nil
    }

    /// The live contacts nearest to a key, out of the table alone.
    public func contacts(
        nearest key: DHTKey, count: Int, book: borrowing PeerBook
    ) -> [PeerHandle] {
        table.closest(to: key, count: count, configuration, book)
    }

    public func dropCount(_ drop: KademliaDrop) -> UInt64 { drops[drop] }

    /// Every peer that must stay in the book. The outbox must have been drained.
    public func forEachUsedHandle(_ body: (PeerHandle) -> Void) {
        table.forEachHandle(body)
        for peer in heard.peers { body(peer) }
        absences.forEachHandle(body)
        rates.forEachHandle(body)
        for request in requests.pending { body(request.peer) }
        for row in handOvers.rows { body(row.peer) }
        for operation in operations { operation.forEachHandle(body) }
    }

    // MARK: Details

    /// Renewals and refreshes need peers, and wait for each other.
    var mayWorkUnasked: Bool {
        table.count > 0 && rescue == nil
            && (operations.isEmpty || backgroundCount < shared.value.backgroundMax)
    }

    private var backgroundCount: Int {
        var count = 0
        for i in operations.indices where operations[i].isBackground { count += 1 }
        return count
    }

    mutating func nextID() -> OperationID {
        lastOperation &+= 1
        return OperationID(number: lastOperation)
    }

    /// Only a burst of look-ups needs the room of many.
    mutating func takeOperation(_ i: Int) -> Operation {
        let operation = operations.remove(at: i)
        if operations.isEmpty { operations = [] }
        return operation
    }

    mutating func refuse(
        _ id: OperationID, _ failure: KademliaFailure, into out: inout KademliaOutbox
    ) -> OperationID {
        out.events.append(.ended(id, .failed(failure), KademliaReport()))
        return id
    }

    private mutating func publish(
        _ publication: Publication, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout KademliaOutbox
    ) -> OperationID {
        guard
            publications.rows.count < configuration.publicationsMax
                || publications[publication.key] != nil
        else { return refuse(nextID(), .tooManyPublications, into: &out) }
        publications.set(publication)
        return place(
            publication, isBackground: false, at: now, book: &book, identity: identity, into: &out)
    }

    /// Signs a record, keeps it ourselves, and starts the look-up for its holders.
    @discardableResult
    mutating func place(
        _ publication: Publication, isBackground: Bool, at now: Instant, book: inout PeerBook,
        identity: borrowing Identity, into out: inout KademliaOutbox
    ) -> OperationID {
        let record = publication.record(
            addresses: addresses, wallClock: wallClock(at: now), configuration,
            signedBy: identity)
        publications.signed(publication.key, for: publication.lifetime(configuration))
        if serves { keep(record, from: nil, at: now, book: book) }
        return start(
            .place(record), publication.key, paths: configuration.writePaths,
            isBackground: isBackground, at: now, book: &book, into: &out)
    }
}
