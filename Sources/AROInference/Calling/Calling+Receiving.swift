/// What providers say, and what it means for the call.

import AROCrypto
import AROPrimitives
import AROWire

extension Calling {
    mutating func received(
        _ stream: StreamToken, _ bytes: RawSpan, isFinished: Bool, at now: Instant,
        _ time: UnixTime, _ accounts: inout Accounts, _ identity: borrowing Identity
    ) {
        guard let id = attempt(of: stream) else { return }
        do throws(CallViolation) {
            var reader = ByteReader(bytes)
            while attempts[id] != nil {
                let message: ProviderMessage?
                do throws(DecodingFailure) {
                    message = try attempts[id]!.decoder.next(&reader)
                } catch { throw .malformed(error) }
                guard let message else { break }
                attempts[id]!.heardAt = now
                try take(message, id, at: now, time, &accounts, identity)
            }
        } catch {
            guard let attempt = attempts[id] else { return }
            counters.violations += 1
            steps.append(.misbehaved(attempt.peer, error))
            return lost(id, .violation(error), resets: true, at: now)
        }
        // It ends by FINISHED, FAILED or REFUSED, and then is forgotten here.
        if isFinished, attempts[id] != nil { lost(id, .hungUp, resets: true, at: now) }
    }

    private mutating func take(
        _ message: ProviderMessage, _ id: AttemptID, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) throws(CallViolation) {
        switch message {
        case .accepted(let position, let milliseconds, let price):
            try accepted(
                id, position: position, after: .milliseconds(Int64(milliseconds)), price, at: now)
        case .refused(let reason, let milliseconds, let text):
            try refused(
                id, reason, retryAfter: .milliseconds(Int64(milliseconds)), text, at: now)
        case .event(let event): try told(event, id, at: now)
        case .checkpoint(let checkpoint): try take(checkpoint, id)
        case .finished(let receipt):
            try finished(id, receipt, at: now, time, &accounts, identity)
        case .failed(let fault, let text, let receipt):
            failed(id, fault, text, receipt, at: now, time, &accounts, identity)
        }
    }

    private mutating func accepted(
        _ id: AttemptID, position: Int, after wait: Duration, _ price: TokenPrice,
        at now: Instant
    ) throws(CallViolation) {
        let attempt = attempts[id]!
        guard attempt.digest.eventCount == 0 else { throw .outOfTurn }
        guard attempt.peer == nil || price.isWithin(attempt.head.priceMax),
            !attempt.isAnswered || price == attempt.price
        else { throw .outOfTurn }
        if !attempt.isAnswered {
            conduct.answered(
                attempt.provider, after: now - attempt.askedAt, position: position,
                firstEvent: wait, at: now)
        }
        // Said again, it means that the provider is there: what was promised stands.
        guard position != attempt.position else { return }
        attempts[id]!.position = position
        attempts[id]!.price = price
        attempts[id]!.expectedAt = now + wait
        guard let call = attempt.call, let i = index(of: call) else { return }
        if attempt.hasBody, calls[i].isChoosing, calls[i].resumptions == 0 {
            steps.append(
                .tell(call, .accepted(provider: attempt.provider, position: position)))
        }
        drive(call, at: now)
    }

    private mutating func refused(
        _ id: AttemptID, _ reason: CallRefusal, retryAfter: Duration, _ text: String,
        at now: Instant
    ) throws(CallViolation) {
        let attempt = attempts[id]!
        guard attempt.digest.eventCount == 0 else { throw .outOfTurn }
        drop(id, resets: false)
        let isFull = reason == .busy || reason == .tooManyCalls || reason == .deadline
        if isFull {
            conduct.refused(attempt.provider, retryAfter: retryAfter, at: now)
        } else if reason == .shuttingDown {
            conduct.failed(attempt.provider, at: now)
        }
        guard let call = attempt.call, let i = index(of: call) else { return }
        if isFull { calls[i].failures.full(retryAfter: max(retryAfter, .seconds(1))) }
        failed(attempt, call, .refused(reason, text: text), at: now)
    }

    // MARK: Output

    private mutating func told(
        _ event: [UInt8], _ id: AttemptID, at now: Instant
    ) throws(CallViolation) {
        let attempt = attempts[id]!
        guard attempt.isAnswered, attempt.hasBody else { throw .outOfTurn }
        guard attempt.digest.byteCount < attempt.credit else { throw .beyondCredit }
        attempts[id]!.digest.add(event)
        guard let call = attempt.call, let i = index(of: call) else { return }
        if calls[i].isChoosing { first(id, i, at: now) }
        calls[i].eventCount += 1
        calls[i].byteCount += UInt64(event.count)
        calls[i].untaken += event.count
        steps.append(.tell(call, .output(event)))
    }

    /// This one answers first: the others are not needed.
    private mutating func first(_ id: AttemptID, _ i: Int, at now: Instant) {
        let attempt = attempts[id]!
        calls[i].phase = .streaming(id)
        let others = calls[i].attempts.filter { $0 != id }
        calls[i].attempts = [id]
        for other in others { retire(other, at: now) }
        if let committed = attempt.committedAt, let expected = attempt.expectedAt {
            conduct.firstEvent(after: now - committed, expected: expected - committed)
        }
        if let conversation = calls[i].request.conversation {
            warm.set(conversation, attempt.provider, at: now)
        }
        drive(calls[i].id, at: now)
    }

    private mutating func take(
        _ checkpoint: OutputCheckpoint, _ id: AttemptID
    ) throws(CallViolation) {
        let attempt = attempts[id]!
        guard checkpoint.matches(attempt.digest), checkpoint.verifies(attempt.subject(of: local))
        else { throw .wrongCheckpoint }
        attempts[id]!.checkpoint = checkpoint
    }

    // MARK: Ends

    private mutating func finished(
        _ id: AttemptID, _ receipt: Receipt, at now: Instant, _ time: UnixTime,
        _ accounts: inout Accounts, _ identity: borrowing Identity
    ) throws(CallViolation) {
        let attempt = attempts[id]!
        guard attempt.isAnswered, attempt.hasBody else { throw .outOfTurn }
        if let fault = fault(in: receipt, of: attempt, isWhole: true, at: time) {
            return wrongReceipt(id, fault, at: now)
        }
        let signed = sign(receipt, id, time, &accounts, identity, at: now)
        conduct.succeeded(attempt.provider, at: now)
        guard let call = attempt.call, let i = index(of: call) else { return }
        let resumptions = calls[i].resumptions
        if let conversation = calls[i].request.conversation {
            warm.set(conversation, attempt.provider, at: now)
        }
        counters.callsFinished += 1
        cancel(call, at: now)
        steps.append(
            .tell(call, .finished(CallOutcome(receipt: signed, resumptions: resumptions))))
    }

    private func fault(
        in receipt: Receipt, of attempt: Attempt, isWhole: Bool, at time: UnixTime
    ) -> ReceiptFault? {
        attempt.fault(
            in: receipt, isWhole: isWhole, of: local, at: time,
            tolerance: config.datesTolerance, longest: CallLimits.deadlineMax)
    }

    /// We agree: the stream ends by our signature, and by what we promise.
    private mutating func sign(
        _ receipt: Receipt, _ id: AttemptID, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity, at now: Instant
    ) -> Receipt {
        let key = receipt.statement.key
        // An answer that was told again is not paid again.
        let isKnown = keys[key]?.provider == receipt.provider
        let (signed, signature, voucher) = accounts.agreed(
            receipt, isKnown: isKnown, at: time, identity)
        attempts[id]!.append(.countersigned(signature, voucher))
        if receipt.statement.outcome == .complete { keys.set(key, receipt.provider, at: now) }
        drop(id, resets: false)
        return signed
    }

    /// All was told, and the provider lies about it: nobody else would do better, and nothing is paid.
    private mutating func wrongReceipt(
        _ id: AttemptID, _ fault: ReceiptFault, at now: Instant
    ) {
        let attempt = attempts[id]!
        counters.violations += 1
        steps.append(.misbehaved(attempt.peer, .wrongReceipt(fault)))
        drop(id, resets: true)
        conduct.failed(attempt.provider, at: now)
        if attempt.digest.eventCount > 0 { steps.append(.unsettled(attempt.provider)) }
        guard let call = attempt.call, let i = index(of: call) else { return }
        if case .streaming = calls[i].phase {
            fail(call, .wrongReceipt(provider: attempt.provider, fault), at: now)
        } else {
            failed(attempt, call, .violation(.wrongReceipt(fault)), at: now)
        }
    }

    private mutating func failed(
        _ id: AttemptID, _ fault: CallFault, _ text: String, _ receipt: Receipt?,
        at now: Instant, _ time: UnixTime, _ accounts: inout Accounts,
        _ identity: borrowing Identity
    ) {
        let attempt = attempts[id]!
        if let receipt, self.fault(in: receipt, of: attempt, isWhole: false, at: time) == nil {
            _ = sign(receipt, id, time, &accounts, identity, at: now)
        } else {
            if attempt.digest.eventCount > 0 { steps.append(.unsettled(attempt.provider)) }
            drop(id, resets: false)
        }
        guard let call = attempt.call else { return }
        switch fault {
        case .backend, .shuttingDown, .context: conduct.failed(attempt.provider, at: now)
        case .badRequest, .deadline, .credit, .outputTooLong, .cancelled: break
        }
        failed(attempt, call, .failed(fault, text: text), at: now)
    }

    /// An attempt is over, and did not end well: what becomes of its call.
    mutating func failed(
        _ attempt: Attempt, _ call: CallID, _ reason: AttemptFailure, at now: Instant
    ) {
        guard let i = index(of: call) else { return }
        if let end = end(by: reason, attempt) { return fail(call, end, at: now) }
        switch calls[i].phase {
        case .choosing:
            calls[i].failures.add(reason)
            if reason == .hungUp, !attempt.isAnswered { calls[i].retry(attempt.provider) }
            drive(call, at: now)
        case .streaming(attempt.id): interrupted(i, attempt, reason, at: now)
        case .streaming, .interrupted: break
        }
    }

    /// A failure that no other provider would mend.
    private func end(by reason: AttemptFailure, _ attempt: Attempt) -> CallFailure? {
        let provider = attempt.provider
        switch reason {
        case .failed(.badRequest, let text): return .rejected(provider: provider, text: text)
        case .failed(.context, let text):
            return .contextUnavailable(provider: provider, text: text)
        case .failed(.outputTooLong, _): return .outputTooLong(provider: provider)
        case .refused(.keyReused, _): return .keySpent(provider: provider, .keyReused)
        case .refused(.alreadyAnswered, _):
            return .keySpent(provider: provider, .alreadyAnswered)
        default: return nil
        }
    }

    private mutating func interrupted(
        _ i: Int, _ attempt: Attempt, _ reason: AttemptFailure, at now: Instant
    ) {
        counters.interruptions += 1
        calls[i].phase = .interrupted(attempt.provider, reason, since: now)
        if let conversation = calls[i].request.conversation { warm.remove(conversation) }
        let left = calls[i].candidates.count { $0.id != attempt.provider }
        steps.append(
            .tell(
                calls[i].id,
                .interrupted(
                    CallInterruption(
                        provider: attempt.provider, reason: reason,
                        eventCount: calls[i].eventCount, byteCount: calls[i].byteCount,
                        providersLeft: left, checkpoint: attempt.checkpoint))))
        drive(calls[i].id, at: now)
    }
}
