/// Runs at the model server: slots, output, receipts, and what ends them.

import AROCrypto
import AROPrimitives
import AROWire

// MARK: - Slots

extension Serving {
    /// Gives free slots to those who wait.
    mutating func startNext(of queue: Int, at now: Instant) {
        while let token = queues[queue].takeNext() {
            guard let i = index(of: token) else { continue }
            start(i, at: now)
        }
    }

    private mutating func start(_ i: Int, at now: Instant) {
        let run = runs[i]
        runs[i].state = .running(since: now)
        runs[i].lastEventAt = now
        bodiesHeld -= run.body.count
        runs[i].body = []
        let call = BackendCall(
            model: run.head.model, endpoint: run.head.endpoint,
            isStreamed: run.head.isStreamed, body: run.body, context: run.head.context,
            caller: run.caller, timeLeft: run.deadline - now)
        steps.append(.backend(.start(call, run.token)))
        allow(i)
        tellRunning(i, at: now)
    }

    /// Lets the model server tell more, where all who follow have taken what it told.
    private mutating func allow(_ i: Int) {
        guard runs[i].isRunning else { return }
        let taken = runs[i].streams.compactMap { streams[$0]?.sent }.min() ?? 0
        let target = taken + UInt64(config.backendAhead)
        guard target >= runs[i].allowed + UInt64(config.backendAhead / 2) else { return }
        let more = target - runs[i].allowed
        runs[i].allowed = target
        steps.append(.backend(.take(byteCount: Int(more), runs[i].token)))
    }

    /// Frees the slot or the place in the queue.
    private mutating func leaveQueue(_ i: Int, at now: Instant) {
        guard let queue = queue(of: runs[i].head.model) else { return }
        queues[queue].remove(runs[i].token)
        startNext(of: queue, at: now)
    }
}

// MARK: - Output

extension Serving {
    mutating func backendReplied(
        _ reply: BackendReply, at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        switch reply {
        case .event(let token, let event):
            guard let i = index(of: token), runs[i].isRunning else { return }
            told(event, i, at: now, time, &accounts, identity)
        case .finished(let token, let usage):
            guard let i = index(of: token), runs[i].isRunning else { return }
            finished(i, usage, at: now, time, &accounts, identity)
        case .failed(let token, let failure):
            guard let i = index(of: token), runs[i].isRunning else { return }
            backendFailed(i, failure, at: now, time, &accounts, identity)
        }
    }

    private mutating func told(
        _ event: [UInt8], _ i: Int, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        guard case .running(let since) = runs[i].state else { return }
        guard (1...CallLimits.eventByteCountMax).contains(event.count) else {
            return fail(
                i, .backend, "its model server told an event of \(event.count) bytes", at: now,
                time, &accounts, identity)
        }
        if runs[i].digest.eventCount == 0, let queue = queue(of: runs[i].head.model) {
            queues[queue].firstEvent(after: now - since)
        }
        runs[i].lastEventAt = now
        runs[i].append(event: event)
        if runs[i].digest.byteCount > UInt64(config.replayByteCountMax) {
            runs[i].isReplayable = false
        }
        guard runs[i].digest.byteCount <= config.outputByteCountMax else {
            return fail(i, .outputTooLong, "", at: now, time, &accounts, identity)
        }
        guard isWithinCredit(i, accounts) else {
            return fail(i, .credit, "", at: now, time, &accounts, identity)
        }
        signIfDue(i, identity)
        pumpAll(i, at: now)
    }

    /// Whether the caller may owe what its calls will cost, as far as they have come.
    private func isWithinCredit(_ i: Int, _ accounts: borrowing Accounts) -> Bool {
        guard !runs[i].price.isFree else { return true }
        let caller = runs[i].caller
        return accounts.mayServe(caller, runs[i].price, running: runningCost(of: caller))
    }

    /// What the calls of a peer will cost that are not over, as far as they have come.
    func runningCost(of caller: PeerID) -> UInt64 {
        runs.reduce(UInt64(0)) {
            $1.caller == caller && !$1.isOver ? $0.addingSaturated($1.runningCost) : $0
        }
    }

    private mutating func signIfDue(_ i: Int, _ identity: borrowing Identity) {
        let digest = runs[i].digest
        guard
            digest.eventCount >= runs[i].signedEvents + config.checkpointEvents
                || digest.byteCount >= runs[i].signedBytes + config.checkpointBytes
        else { return }
        runs[i].signed(
            OutputCheckpoint(of: digest, runs[i].subject(of: local), signedBy: identity))
    }

    private mutating func pumpAll(_ i: Int, at now: Instant) {
        let token = runs[i].token
        for stream in runs[i].streams { pump(stream, at: now) }
        if let i = index(of: token) { allow(i) }
    }

    /// Writes to a stream what its run has for it, while there is room and credit.
    mutating func pump(_ stream: StreamToken, at now: Instant) {
        guard var served = streams[stream], served.room > 0 else { return }
        var parts: [[UInt8]] = []
        var small: [UInt8] = []
        swap(&small, &served.pending)
        var isOver = false
        if let token = served.token, let i = index(of: token) {
            while let entry = next(for: served, runs[i], after: small.count) {
                served.cursor += 1
                guard case .event(let event) = entry else {
                    small += entry.bytes
                    continue
                }
                served.sent += UInt64(event.count)
                small.appendEventHeader(byteCount: event.count)
                if event.count < Self.copiedMax {
                    small += event
                } else {
                    served.room -= small.count + event.count
                    parts += [small, event]
                    small = []
                }
            }
            isOver = runs[i].isOver && served.cursor == runs[i].logEnd
        }
        if !small.isEmpty { parts.append(small) }
        served.room -= small.count
        if !parts.isEmpty { (served.activeAt, served.toldAt) = (now, now) }
        streams[stream] = served
        for bytes in parts { steps.append(.write(stream, bytes, isFinal: false)) }
        followed(stream, isOver: isOver, at: now)
    }

    /// The next frame for a stream; nil where there is none, or no room or credit for it.
    private func next(for served: ServedStream, _ run: Run, after byteCount: Int) -> Run.Entry? {
        guard served.room > byteCount, served.cursor < run.logEnd else { return nil }
        let entry = run[entry: served.cursor]
        if case .event = entry, served.sent >= served.credit { return nil }
        return entry
    }

    /// Events below this size are copied behind their headers; larger ones go out as they came. A
    /// guess: a copy of so much costs less than a write.
    private static let copiedMax = 4_096

    /// A stream is as far as it can be.
    private mutating func followed(_ stream: StreamToken, isOver: Bool, at now: Instant) {
        guard let token = streams[stream]?.token, let i = index(of: token) else { return }
        if !runs[i].isReplayable {
            let place = runs[i].streams.compactMap { streams[$0]?.cursor }.min() ?? runs[i].logEnd
            runs[i].trim(before: place)
        }
        guard isOver else { return allow(i) }
        runs[i].streams.removeAll { $0 == stream }
        if let receipt = runs[i].receipt, !streams[stream]!.isFinished {
            streams[stream]!.enter(.settling(receipt), at: now)
        } else {
            streams[stream]!.enter(.awaitingCall, at: now)
            close(stream)
        }
    }
}

// MARK: - Ends

extension Serving {
    private mutating func finished(
        _ i: Int, _ usage: TokenUsage, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        if case .running(let since) = runs[i].state, let queue = queue(of: runs[i].head.model) {
            queues[queue].served(for: now - since)
        }
        var usage = usage.bounded
        // A server that does not count: each event of a stream is a token, as they all do it.
        if usage.output == 0, runs[i].head.isStreamed { usage.output = runs[i].digest.eventCount }
        let receipt = sign(i, .complete, usage, runs[i].price, time, identity)
        claim(receipt, i, &accounts)
        runs[i].append(.finished(receipt))
        runsFinished += 1
        answered.add(runs[i].caller, runs[i].head.key, runs[i].head.requestHash)
        isOver(i, at: now)
    }

    private mutating func claim(_ receipt: Receipt, _ i: Int, _ accounts: inout Accounts) {
        accounts.claimed(receipt)
        runs[i].receipt = receipt
        if unsigned.count == config.replaysMax { unsigned.removeFirst() }
        unsigned.append(receipt.providerSignature)
    }

    private func sign(
        _ i: Int, _ outcome: Receipt.Outcome, _ usage: TokenUsage, _ price: TokenPrice,
        _ time: UnixTime, _ identity: borrowing Identity
    ) -> Receipt {
        let run = runs[i]
        let cost = run.caller == local ? 0 : price.cost(of: usage)
        return Receipt(
            Receipt.Statement(
                key: run.head.key, caller: run.caller, provider: local,
                endpoint: run.head.endpoint, outcome: outcome, model: run.head.model,
                requestHash: run.head.requestHash, responseHash: run.digest.hash,
                eventCount: run.digest.eventCount, responseByteCount: run.digest.byteCount,
                usage: usage, price: cost, started: run.started, ended: max(run.started, time)),
            signedBy: identity)
    }

    private mutating func backendFailed(
        _ i: Int, _ failure: BackendFailure, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        let (fault, text): (CallFault, String) =
            switch failure {
            case .unavailable(let text), .busy(let text): (.backend, text)
            case .badRequest(let text): (.badRequest, text)
            case .context(let text): (.context, text)
            }
        end(i, fault, text, stops: false, at: now, time, &accounts, identity)
    }

    private mutating func fail(
        _ i: Int, _ fault: CallFault, _ text: String, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        end(i, fault, text, stops: runs[i].isRunning, at: now, time, &accounts, identity)
    }

    /// Ends a run that did not come to its end. What was put out has a receipt; it costs something
    /// where the caller's doing ended it.
    private mutating func end(
        _ i: Int, _ fault: CallFault, _ text: String, stops: Bool, at now: Instant,
        _ time: UnixTime, _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        if stops { steps.append(.backend(.cancel(runs[i].token))) }
        runsFailed += 1
        if runs[i].digest.eventCount > 0 {
            let isCallers = fault == .cancelled || fault == .credit || fault == .outputTooLong
            let receipt = sign(
                i, fault == .cancelled ? .cancelled : .cut,
                TokenUsage(output: runs[i].digest.eventCount),
                isCallers ? runs[i].price : .free, time, identity)
            claim(receipt, i, &accounts)
        }
        runs[i].append(.failed(fault, text: text, runs[i].receipt))
        runs[i].isReplayable = false
        isOver(i, at: now)
    }

    /// The log is complete.
    private mutating func isOver(_ i: Int, at now: Instant) {
        let token = runs[i].token
        runs[i].state = .over(at: now)
        bodiesHeld -= runs[i].body.count
        runs[i].body = []
        leaveQueue(i, at: now)
        if let i = index(of: token) { pumpAll(i, at: now) }
        forgetOver(at: now)
    }

    /// Who waited is told that there is nothing to wait for.
    mutating func refuse(run token: BackendToken, _ reason: CallRefusal, at now: Instant) {
        guard let i = index(of: token) else { return }
        let run = runs.remove(at: i)
        bodiesHeld -= run.body.count
        for stream in run.streams { refuse(stream, reason, at: now) }
        if let queue = queue(of: run.head.model) { queues[queue].remove(token) }
    }

    // MARK: The caller's wishes

    mutating func cancelled(
        _ stream: StreamToken, at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        switch streams[stream]!.phase {
        case .awaitingCall, .awaitingBody: close(stream)
        // The end was on its way.
        case .settling: break
        case .following(let token):
            guard let i = index(of: token) else { return close(stream) }
            guard runs[i].streams == [stream], !runs[i].isOver else { return leave(stream, i) }
            fail(i, .cancelled, "", at: now, time, &accounts, identity)
        }
    }

    /// Others follow the run, or it is over.
    private mutating func leave(_ stream: StreamToken, _ i: Int) {
        guard !runs[i].isOver else { return }
        var bytes: [UInt8] = []
        bytes.append(.failed(.cancelled, text: "", nil))
        close(stream, bytes)
    }

    /// A stream that followed a run is gone. Where it was the last, nobody reads on.
    mutating func unfollowed(
        _ token: BackendToken, at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        guard let i = index(of: token), !runs[i].isOver else { return }
        guard runs[i].streams.isEmpty else { return allow(i) }
        fail(i, .cancelled, "", at: now, time, &accounts, identity)
    }

    mutating func shutDown(
        at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        isShuttingDown = true
        for token in runs.filter({ !$0.isOver }).map(\.token) {
            guard let i = index(of: token) else { continue }
            if runs[i].isQueued {
                refuse(run: token, .shuttingDown, at: now)
            } else {
                fail(i, .shuttingDown, "", at: now, time, &accounts, identity)
            }
        }
        for stream in order {
            switch streams[stream]?.phase {
            case .awaitingCall, .awaitingBody: refuse(stream, .shuttingDown, at: now)
            default: close(stream)
            }
        }
    }
}

// MARK: - Time

extension Serving {
    mutating func deadlinePassed(
        at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        for token in runs.filter({ !$0.isOver }).map(\.token) {
            guard let i = index(of: token), !runs[i].isOver else { continue }
            if runs[i].deadline <= now {
                fail(i, .deadline, "", at: now, time, &accounts, identity)
            } else if isSilent(runs[i], at: now) {
                fail(
                    i, .backend, "its model server fell silent", at: now, time, &accounts,
                    identity)
            }
        }
        for stream in order where isLate(stream, at: now) {
            guard let served = streams[stream] else { continue }
            if case .settling = served.phase { close(stream) } else { end(stream) }
            if let token = served.token {
                unfollowed(token, at: now, time, &accounts, identity)
            }
        }
        for i in runs.indices where !runs[i].isOver { reassure(i, at: now, identity) }
        forgetOver(at: now)
        slept(at: now)
    }

    /// Tells callers who hear nothing, as the model is slow, that we are still there: by the place in the
    /// queue until there is output, then by our signature on all of it.
    private mutating func reassure(_ i: Int, at now: Instant, _ identity: borrowing Identity) {
        let run = runs[i]
        var checkpoint: OutputCheckpoint?
        for stream in run.streams {
            guard let served = streams[stream], served.toldAt + config.reassureAfter <= now,
                served.cursor == run.logEnd, served.pending.isEmpty
            else { continue }
            guard run.digest.eventCount > 0 else {
                tell(position: served.positionTold ?? 0, stream, run.head, at: now)
                continue
            }
            let signed =
                checkpoint
                ?? OutputCheckpoint(of: run.digest, run.subject(of: local), signedBy: identity)
            checkpoint = signed
            streams[stream]!.pending.append(.checkpoint(signed))
            pump(stream, at: now)
        }
    }

    /// Whether the model server owes something and says nothing.
    private func isSilent(_ run: Run, at now: Instant) -> Bool {
        guard run.isRunning, run.digest.byteCount < run.allowed else { return false }
        let patience =
            run.digest.eventCount == 0 ? config.firstEventTimeout : config.backendSilence
        return run.lastEventAt + patience <= now
    }

    /// Whether a caller lets us wait too long.
    private func isLate(_ stream: StreamToken, at now: Instant) -> Bool {
        guard let served = streams[stream] else { return false }
        switch served.phase {
        case .awaitingCall: return served.activeAt + config.headTimeout <= now
        case .awaitingBody: return served.activeAt + config.bodyTimeout <= now
        case .settling: return served.activeAt + config.settleTimeout <= now
        case .following(let token):
            guard let i = index(of: token), served.cursor < runs[i].logEnd else { return false }
            return max(served.activeAt, runs[i].lastEventAt) + config.stallTimeout <= now
        }
    }

    /// Forgets answers that are too many, too large or too old to be told again.
    private mutating func forgetOver(at now: Instant) {
        var held = 0
        var count = 0
        // The newest are kept.
        for i in runs.indices.reversed() {
            guard case .over(let at) = runs[i].state else { continue }
            let isKept =
                runs[i].isReplayable && at + config.replayFor > now
                && held + runs[i].logByteCount <= config.replaysByteCountMax
                && count < config.replaysMax
            if isKept { (held, count) = (held + runs[i].logByteCount, count + 1) }
            if !isKept, runs[i].streams.isEmpty { runs.remove(at: i) }
        }
    }
}
