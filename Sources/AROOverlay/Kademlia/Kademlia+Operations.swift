/// Running operations: sending what look-ups and placements decide, and telling them what came
/// back.

import AROPrimitives
import AROCrypto
import AROWire

extension Kademlia {
    // MARK: Starting and ending

    mutating func start(
        _ goal: Operation.Goal, _ key: DHTKey, paths: Int, isBackground: Bool = false,
        id: OperationID? = nil, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) -> OperationID {
        let id = id ?? nextID()
        guard isBackground || operations.count < configuration.operationsMax else {
            if case .place = goal { placed(key, held: 0, at: now) }
            return refuse(id, .tooManyOperations, into: &out)
        }
        settleAbsences(at: now, book: &book, into: &out)
        var lookup = makeLookup(key, paths: paths, at: now, book)
        if case .place = goal { lookup.patience = .untilEnough }
        table.touch(key, at: now)
        operations.append(
            Operation(
                id: id, key: key, goal: goal, isBackground: isBackground, started: now,
                lookup: lookup))
        lookIntoOwnStore(id, at: now, book: &book, into: &out)
        pump(id, at: now, book: &book, into: &out)
        return id
    }

    private func makeLookup(
        _ key: DHTKey, paths: Int, at now: Instant, _ book: borrowing PeerBook
    ) -> Lookup {
        Lookup(
            target: key, paths: min(max(paths, 1), 8),
            start: startingPoints(for: key, at: now, book), configuration, book)
    }

    /// What others stored at ourselves counts as the first answer.
    private mutating func lookIntoOwnStore(
        _ id: OperationID, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        guard let i = operations.firstIndex(where: { $0.id == id }) else { return }
        let time = wallClock(at: now)
        switch operations[i].goal {
        case .providers:
            let own = store.providers(
                of: operations[i].key, at: time, rotation: 0, fitting: .max)
            for record in own.records { found(record, i, book: &book, into: &out) }
        case .name: operations[i].name = store.name(operations[i].key, at: time)
        case .closest, .join, .refresh, .place: break
        }
    }

    private mutating func end(
        _ i: Int, _ outcome: KademliaOutcome, at now: Instant, into out: inout KademliaOutbox
    ) {
        let operation = takeOperation(i)
        requests.ended(operation.id, lifetime: configuration.requestLifetime)
        if !operation.isBackground {
            out.events.append(.ended(operation.id, outcome, operation.report(at: now)))
        }
        guard case .place = operation.goal, case .held(let held, let wanted) = outcome else {
            return
        }
        placed(operation.key, held: held, at: now)
        if operation.isBackground {
            out.events.append(.renewed(operation.key, held: held, of: wanted))
        }
    }

    mutating func placed(_ key: DHTKey, held: Int, at now: Instant) {
        publications.placed(key, held: held, at: now, configuration, &generator)
    }

    // MARK: Deciding

    /// Carries out what an operation decides until it waits or ends.
    mutating func pump(
        _ id: OperationID, at now: Instant, book: inout PeerBook, into out: inout KademliaOutbox
    ) {
        while let i = operations.firstIndex(where: { $0.id == id }) {
            if case .refresh(let enough) = operations[i].goal,
                isFresh(bucketOf: operations[i].key, enough, at: now)
            {
                operations[i].lookup.stop()
            }
            if operations[i].placement != nil {
                guard pumpPlacement(i, at: now, book: book, into: &out) else { return }
            } else {
                switch operations[i].lookup.next() {
                case .ask(let peer): send(.find, to: peer, i, at: now, book: book, into: &out)
                case .wait: return
                case .finished:
                    if operations[i].isWorthRepeating {
                        repeatLookup(i, at: now, book)
                    } else {
                        lookupFinished(i, at: now, into: &out)
                    }
                }
            }
        }
    }

    /// Returns whether there may be more to decide.
    private mutating func pumpPlacement(
        _ i: Int, at now: Instant, book: borrowing PeerBook, into out: inout KademliaOutbox
    ) -> Bool {
        switch operations[i].placement!.next() {
        case .store(let peer): send(.store, to: peer, i, at: now, book: book, into: &out)
        case .readBack(let peer): send(.readBack, to: peer, i, at: now, book: book, into: &out)
        case .wait: return false
        case .finished:
            let placement = operations[i].placement!
            end(i, .held(by: placement.held, of: placement.wanted), at: now, into: &out)
        }
        return true
    }

    /// Once more from the start, over disjoint paths, by which one bad neighbourhood can be passed.
    private mutating func repeatLookup(
        _ i: Int, at now: Instant, _ book: borrowing PeerBook
    ) {
        requests.ended(operations[i].id, lifetime: configuration.requestLifetime)
        operations[i].isRepeated = true
        operations[i].lookup = makeLookup(
            operations[i].key, paths: configuration.writePaths, at: now, book)
    }

    private mutating func lookupFinished(
        _ i: Int, at now: Instant, into out: inout KademliaOutbox
    ) {
        let operation = operations[i]
        let nobody = operation.lookup.answers == 0
        switch operation.goal {
        case .closest where nobody, .join where nobody:
            end(i, .failed(.noPeers), at: now, into: &out)
        case .closest, .refresh:
            end(i, .closest(operation.lookup.closest(configuration.k)), at: now, into: &out)
        case .join:
            staggerRefreshes(at: now)
            let live = table.liveCount(configuration)
            end(i, .joined(peers: live), at: now, into: &out)
        case .providers:
            let found = operation.providersFound.count
            let failed = nobody && found == 0
            end(
                i, failed ? .failed(.noPeers) : .searched(providers: found), at: now, into: &out)
        case .name:
            let outcome: KademliaOutcome =
                operation.name.map { .name($0) } ?? .failed(nobody ? .noPeers : .nameNotFound)
            end(i, outcome, at: now, into: &out)
        case .place(let record):
            let (nearest, spares) = operation.lookup.holders()
            operations[i].placement = Placement(record, at: nearest, spares: spares)
        }
    }

    // MARK: Sending

    private mutating func send(
        _ purpose: Request.Purpose, to peer: PeerHandle, _ i: Int, at now: Instant,
        book: borrowing PeerBook, into out: inout KademliaOutbox
    ) {
        let known = table.roundTrip(of: peer, key: book.key(peer))
        // Others can take the place of one of the k, nobody that of the one that is looked for.
        let isBrief =
            purpose == .find && repetitions.areFew && book.key(peer) != operations[i].key
        let number = requests.started(
            to: peer, purpose, for: operations[i].id,
            expected: times.expected(of: known, within: configuration), isBrief: isBrief,
            at: now, &generator)
        operations[i].messages += 1
        out.send(message(purpose, number: number, i), to: peer)
    }

    /// Asks a contact whether it lives.
    mutating func probe(
        _ peer: PeerHandle, at now: Instant, book: borrowing PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard !requests.isProbing(peer) else { return }
        let known = table.roundTrip(of: peer, key: book.key(peer))
        let number = requests.started(
            to: peer, .probe, for: nil,
            expected: times.expected(of: known, within: configuration), at: now, &generator)
        out.send(message(.probe, number: number, nil), to: peer)
    }

    /// - Parameter i: the operation; nil for probes.
    @inline(__always)
    private func message(
        _ purpose: Request.Purpose, number: UInt32, _ i: Int?
    ) -> KademliaMessage {
        func find(_ wanted: KademliaFind.Wanted, _ key: DHTKey) -> KademliaMessage {
            .find(KademliaFind(request: number, serves: serves, wanted: wanted, key: key))
        }
        guard purpose != .probe, let i else { return find(.signOfLife, table.local) }
        let key = operations[i].key
        guard let record = operations[i].placement?.record else {
            return find(operations[i].goal.wanted, key)
        }
        guard purpose == .readBack else {
            return .store(KademliaStore(request: number, serves: serves, record: record))
        }
        switch record {
        case .provider: return find(.provider(local), key)
        case .name: return find(.name, key)
        }
    }

    /// The time of a request has come.
    mutating func handle(
        _ event: Requests.Event, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        switch event {
        case .transmit(let request, let isLate):
            if case .handOver(let place) = request.purpose {
                return handOverAgain(place, request, at: now, into: &out)
            }
            let i = index(of: request)
            guard request.purpose == .probe || i != nil else { return }
            let number = request.number | UInt32(request.transmissions - 1)
            out.send(
                message(request.purpose, number: number, i), to: request.peer)
            guard let i else { return }
            operations[i].messages += 1
            guard isLate, request.purpose == .find else { return }
            operations[i].lookup.late(request.peer)
            pump(operations[i].id, at: now, book: &book, into: &out)
        case .suspended(let request):
            lost(request, isFinal: false, at: now, book: &book, into: &out)
        case .expired(let request):
            lost(request, isFinal: true, at: now, book: &book, into: &out)
            guard request.transmissions == KademliaConfiguration.transmissionsMax else { return }
            wasSilent(request.peer, since: request.sent, at: now)
            failed(request.peer, count: 1, at: now, book: &book, into: &out)
        }
    }

    @inline(__always)
    func index(of request: Request) -> Int? {
        guard let id = request.operation else { return nil }
        return operations.firstIndex { $0.id == id }
    }

    /// An operation goes on without the answer to this request, which may (or, where `isFinal`,
    /// cannot) come late.
    mutating func lost(
        _ request: Request, isFinal: Bool, at now: Instant, book: inout PeerBook,
        into out: inout KademliaOutbox
    ) {
        guard let i = index(of: request) else { return }
        switch request.purpose {
        case .probe, .handOver: return
        case .find where isFinal: operations[i].lookup.failed(request.peer)
        case .find: operations[i].lookup.suspended(request.peer)
        case .store, .readBack: operations[i].placement?.failed(request.peer)
        }
        pump(operations[i].id, at: now, book: &book, into: &out)
    }
}
