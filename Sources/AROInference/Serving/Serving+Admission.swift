/// Who is let in: the head of a call is answered at once, the call takes its place when its body is
/// there.

import AROPrimitives
import AROWire

extension Serving {
    mutating func called(
        _ stream: StreamToken, _ head: CallHead, at now: Instant, _ accounts: borrowing Accounts
    ) throws(CallViolation) {
        guard case .awaitingCall = streams[stream]!.phase else { throw .outOfTurn }
        streams[stream]!.credit = head.credit
        let caller = streams[stream]!.caller
        if let i = runs.firstIndex(where: { $0.caller == caller && $0.head.key == head.key }) {
            return join(stream, i, head, at: now)
        }
        if let hash = answered.requestHash(caller, head.key) {
            return refuse(
                stream, hash == head.requestHash ? .alreadyAnswered : .keyReused, at: now)
        }
        if let (reason, wait, text) = objection(to: head, of: caller, accounts) {
            return refuse(stream, reason, retryAfter: wait, text: text, at: now)
        }
        streams[stream]!.enter(.awaitingBody(head), at: now)
        tell(position: queues[queue(of: head.model)!].position, stream, head, at: now)
    }

    /// Why a call is not let in; nil where it is.
    private func objection(
        to head: CallHead, of caller: PeerID, _ accounts: borrowing Accounts
    ) -> (CallRefusal, Duration, String)? {
        guard !isShuttingDown else { return (.shuttingDown, .zero, "") }
        guard let i = queue(of: head.model) else { return (.unknownModel, .zero, "") }
        let model = queues[i].model
        guard model.slots > 0 else {
            return (.busy, .seconds(5), "its model server does not answer")
        }
        guard model.endpoints.contains(head.endpoint) else { return (.endpoint, .zero, "") }
        guard head.bodyByteCount <= config.bodyByteCountMax else {
            return (.tooLarge, .zero, "at most \(config.bodyByteCountMax) bytes are taken")
        }
        guard caller == local || model.price.isWithin(head.priceMax) else {
            let (input, output) = (model.price.input, model.price.output)
            return (
                .price, .zero,
                "a million tokens cost \(input) in and \(output) out, in millionths of the unit"
            )
        }
        guard accounts.mayServe(caller, model.price, running: runningCost(of: caller)) else {
            return (
                .credit, .zero,
                "more than \(config.creditLimit) millionths of the unit are owed and not promised"
            )
        }
        guard !queues[i].isFull else { return (.busy, wait(of: i), "") }
        guard wait(of: i) < .milliseconds(Int64(head.deadlineMilliseconds)) else {
            return (.deadline, wait(of: i), "")
        }
        return nil
    }

    /// How long a call waits that comes now.
    private func wait(of i: Int) -> Duration {
        queues[i].wait(position: queues[i].position, unknown: config.serviceUnknown)
    }

    mutating func tell(
        position: Int, _ stream: StreamToken, _ head: CallHead, at now: Instant
    ) {
        guard let i = queue(of: head.model) else { return }
        let wait = queues[i].wait(position: position, unknown: config.serviceUnknown)
        let price = streams[stream]!.price ?? queues[i].model.price
        streams[stream]!.price = price
        streams[stream]!.positionTold = position
        streams[stream]!.pending.append(
            .accepted(
                position: position,
                firstEventMilliseconds: Int(wait.nanoseconds / 1_000_000), price: price))
        pump(stream, at: now)
    }

    /// The run has a slot: who was told otherwise hears it.
    mutating func tellRunning(_ i: Int, at now: Instant) {
        for stream in runs[i].streams where streams[stream]?.positionTold != 0 {
            tell(position: 0, stream, runs[i].head, at: now)
        }
    }

    /// A key that is known: its outcome is told again, or told as it comes.
    private mutating func join(
        _ stream: StreamToken, _ i: Int, _ head: CallHead, at now: Instant
    ) {
        guard runs[i].head.requestHash == head.requestHash else {
            return refuse(stream, .keyReused, at: now)
        }
        guard runs[i].isWhole else { return refuse(stream, .alreadyAnswered, at: now) }
        follow(stream, i, at: now)
        // Whose model is gone by now is told what there is, all the same.
        if queue(of: head.model) != nil {
            tell(position: runs[i].isQueued ? 1 : 0, stream, head, at: now)
        }
        pump(stream, at: now)
    }

    private mutating func follow(_ stream: StreamToken, _ i: Int, at now: Instant) {
        bodiesHeld -= streams[stream]!.body.count
        streams[stream]!.body = []
        streams[stream]!.enter(.following(runs[i].token), at: now)
        runs[i].streams.append(stream)
    }

    // MARK: The body

    mutating func received(
        _ part: [UInt8], on stream: StreamToken, at now: Instant, _ time: UnixTime,
        _ accounts: borrowing Accounts
    ) throws(CallViolation) {
        let head: CallHead
        switch streams[stream]!.phase {
        case .awaitingBody(let awaited): head = awaited
        // Of a key that is known no body is needed.
        case .following, .settling: return
        case .awaitingCall: throw .outOfTurn
        }
        let count = streams[stream]!.body.count + part.count
        guard count <= head.bodyByteCount else { throw .bodyMismatch }
        guard bodiesHeld + part.count <= config.bodiesByteCountMax else {
            return refuse(stream, .busy, retryAfter: .seconds(1), at: now)
        }
        streams[stream]!.body += part
        bodiesHeld += part.count
        guard count == head.bodyByteCount else { return }
        let hash = CallDigest.request(
            endpoint: head.endpoint, isStreamed: head.isStreamed, model: head.model,
            context: head.context, body: streams[stream]!.body)
        guard hash == head.requestHash else { throw .bodyMismatch }
        admit(stream, head, at: now, time, accounts)
    }

    /// The whole request is here. Much may have changed since its head came.
    private mutating func admit(
        _ stream: StreamToken, _ head: CallHead, at now: Instant, _ time: UnixTime,
        _ accounts: borrowing Accounts
    ) {
        let caller = streams[stream]!.caller
        if let i = runs.firstIndex(where: { $0.caller == caller && $0.head.key == head.key }) {
            return join(stream, i, head, at: now)
        }
        if let (reason, wait, text) = objection(to: head, of: caller, accounts) {
            return refuse(stream, reason, retryAfter: wait, text: text, at: now)
        }
        let queue = queue(of: head.model)!
        lastToken += 1
        let token = BackendToken(number: lastToken)
        let limit = min(
            .milliseconds(Int64(head.deadlineMilliseconds)), config.runTimeMax)
        let body = streams[stream]!.body
        runs.append(
            Run(
                token: token, peer: streams[stream]!.peer, caller: caller, head: head,
                price: streams[stream]!.price ?? queues[queue].model.price, deadline: now + limit,
                started: time,
                body: body, at: now))
        bodiesHeld += body.count
        queues[queue].waiting.append((token, caller))
        follow(stream, runs.count - 1, at: now)
        startNext(of: queue, at: now)
        guard let i = index(of: token), runs[i].isQueued else { return }
        let position = queues[queue].waiting.count
        if streams[stream]?.positionTold != position {
            tell(position: position, stream, head, at: now)
        }
    }
}
