/// Whom a call asks next, who of those asked gets its body, and what is done about those who are late.

import AROPrimitives
import AROWire

extension Calling {
    /// Looks at a call after something happened, or because it wished it.
    mutating func drive(_ id: CallID, at now: Instant) {
        guard let i = index(of: id) else { return }
        guard calls[i].deadline > now else {
            return fail(id, .deadline(calls[i].request.deadline), at: now)
        }
        wake(i, at: calls[i].deadline)
        switch calls[i].phase {
        case .choosing: choose(i, at: now)
        case .streaming(let attempt):
            let due = attempts[attempt]!.heardAt + config.streamSilence
            // A provider whose reader takes nothing may be silent.
            if isBlocked(attempts[attempt]!) {
                return wakeSooner(i, at: now + config.streamSilence)
            }
            guard due <= now else { return wakeSooner(i, at: due) }
            lost(attempt, .silent, resets: true, at: now)
        case .interrupted(let provider, let reason, let since):
            let due = since + config.resumeTimeout
            guard due <= now else { return wakeSooner(i, at: due) }
            fail(id, .interrupted(provider: provider, reason), at: now)
        }
    }

    private func isBlocked(_ attempt: Attempt) -> Bool {
        attempt.digest.byteCount >= attempt.credit
    }

    private mutating func wakeSooner(_ i: Int, at time: Instant) {
        if time < calls[i].wake { wake(i, at: time) }
    }

    private mutating func choose(_ i: Int, at now: Instant) {
        let id = calls[i].id
        dropUnanswering(id, at: now)
        // What was lost may have ended the call, or driven it already.
        guard let i = index(of: id), calls[i].isChoosing else { return }
        guard !calls[i].attempts.isEmpty else { return begin(i, at: now) }
        noteLate(i, at: now)
        if let running = calls[i].attempts.first(where: { attempts[$0]!.isRunning }) {
            for other in calls[i].attempts where other != running && isIdle(other) {
                spare(other, i)
                retire(other, at: now)
                calls[i].attempts.removeAll { $0 == other }
            }
        } else {
            settleOnBest(i, at: now)
        }
        hedge(i, at: now)
        for attempt in calls[i].attempts { wakeSooner(i, for: attempts[attempt]!, at: now) }
    }

    /// It was only asked: nothing speaks against asking it again.
    private mutating func spare(_ id: AttemptID, _ i: Int) {
        if let attempt = attempts[id], !attempt.hasBody { calls[i].spared.append(attempt.provider) }
    }

    /// Asked and not given the body, or waiting behind others.
    private func isIdle(_ id: AttemptID) -> Bool {
        guard let attempt = attempts[id] else { return true }
        return !attempt.hasBody || (attempt.position ?? 0) > 0
    }

    /// When an attempt may want something else done.
    private mutating func wakeSooner(_ i: Int, for attempt: Attempt, at now: Instant) {
        if !attempt.isAnswered {
            if !attempt.isLate { wakeSooner(i, at: lateAt(attempt)) }
            wakeSooner(i, at: silentAt(attempt))
        } else if attempt.hasBody {
            wakeSooner(i, at: silentAt(attempt))
            if !attempt.isHedged { wakeSooner(i, at: hedgeAt(attempt)) }
            if !attempt.isOverdue { wakeSooner(i, at: overdueAt(attempt)) }
        }
    }

    private mutating func dropUnanswering(_ id: CallID, at now: Instant) {
        guard let i = index(of: id) else { return }
        for attempt in calls[i].attempts {
            guard let one = attempts[attempt], silentAt(one) <= now else { continue }
            lost(attempt, one.isOpen ? .silent : .unreachable, resets: true, at: now)
        }
    }

    /// When an attempt that says nothing more is given up.
    private func silentAt(_ attempt: Attempt) -> Instant {
        guard attempt.isAnswered else { return attempt.askedAt + config.answerTimeout }
        guard attempt.hasBody, let committed = attempt.committedAt else { return .distantFuture }
        return max(committed, attempt.heardAt) + config.streamSilence
    }

    // MARK: Asking

    /// The first few are asked, or the next where all those asked failed.
    private mutating func begin(_ i: Int, at now: Instant) {
        calls[i].decidesAt = nil
        if calls[i].untried.isEmpty { calls[i].reconsider() }
        if ask(i, config.asks, at: now) {
            for attempt in calls[i].attempts { wakeSooner(i, for: attempts[attempt]!, at: now) }
        } else if calls[i].isSearchOver || calls[i].tried.count >= config.triedMax {
            fail(calls[i].id, calls[i].failure, at: now)
        }
    }

    /// Asks so many more; false where there is nobody left or no room for another. One alone gets the
    /// body at once, where nobody has it or it is for a hedge.
    private mutating func ask(
        _ i: Int, _ count: Int, hedges: Bool = false, at now: Instant
    ) -> Bool {
        guard calls[i].tried.count < config.triedMax else { return false }
        let count = min(count, config.attemptsMax - calls[i].attempts.count)
        guard count > 0 else { return false }
        var drawn = draw(i, at: now)
        // Who knows the conversation, or the key, is asked first, and alone.
        if let first = preferred(i, at: now) {
            drawn.removeAll { $0.id == first.id }
            drawn.insert(first, at: 0)
            drawn = [first]
        }
        let isCommitted = calls[i].attempts.contains { attempts[$0]!.hasBody }
        let isAlone = min(count, drawn.count) == 1 && !isCommitted
        for candidate in drawn.prefix(count) {
            launch(i, candidate, withBody: hedges || isAlone, at: now)
        }
        return !drawn.isEmpty
    }

    /// Some of the candidates at random, the one that may be soonest first.
    private mutating func draw(_ i: Int, at now: Instant) -> [CallCandidate] {
        var pool = calls[i].untried
        let count = min(config.choices, pool.count)
        for n in 0..<count { pool.swapAt(n, n + generator.below(pool.count - n)) }
        var drawn = Array(pool.prefix(count))
        // To ask ourselves costs nothing.
        if let own = pool.dropFirst(count).first(where: { $0.peer == nil }) { drawn.append(own) }
        var scored: [(CallCandidate, Duration)] = []
        for one in drawn { scored.append((one, conduct.guess(one, &generator, at: now))) }
        return scored.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// The provider that answered this key, or the conversation lately, where it was not asked yet.
    private func preferred(_ i: Int, at now: Instant) -> CallCandidate? {
        let call = calls[i]
        var wanted = keys[call.key]?.provider
        if wanted == nil, let conversation = call.request.conversation,
            let row = warm[conversation], row.at + config.warmFor > now,
            conduct.penalty(of: row.provider, at: now) == .zero
        {
            wanted = row.provider
        }
        guard let wanted else { return nil }
        return call.untried.first { $0.id == wanted }
    }

    // MARK: Settling on one

    /// Nobody runs the call yet: the body goes to who promises most, others are asked while the best
    /// has others to serve first.
    private mutating func settleOnBest(_ i: Int, at now: Instant) {
        let answered = calls[i].attempts.filter { attempts[$0]!.isAnswered }
        let isWaiting = calls[i].attempts.contains {
            !attempts[$0]!.isAnswered && !attempts[$0]!.isLate
        }
        let best = answered.min { promised($0, at: now) < promised($1, at: now) }
        if let best { commit(best, i, isWaiting: isWaiting, at: now) }
        guard !isWaiting else { return }
        let patience =
            isWarm(best, i, at: now) ? config.warmWorth : config.waitAccepted
        if let best, attempts[best]!.position == 0 || attempts[best]!.expectedAt! <= now + patience
        {
            return
        }
        makeRoom(i, keeping: best, at: now)
        _ = ask(i, config.asks, at: now)
    }

    /// Who only was asked, and is not the best, makes way for others.
    private mutating func makeRoom(_ i: Int, keeping best: AttemptID?, at now: Instant) {
        for id in calls[i].attempts where id != best {
            guard let attempt = attempts[id], attempt.isAnswered, !attempt.hasBody else { continue }
            spare(id, i)
            drop(id, resets: true)
        }
    }

    private mutating func noteLate(_ i: Int, at now: Instant) {
        for id in calls[i].attempts where !attempts[id]!.isAnswered {
            if lateAt(attempts[id]!) <= now { attempts[id]!.isLate = true }
        }
    }

    private func lateAt(_ attempt: Attempt) -> Instant {
        // A session may have to be opened first, whose handshake takes a round trip.
        let usual = conduct[attempt.provider].answer.map { $0 * 2 }
        return attempt.askedAt
            + max(usual ?? config.roundTripUnknown * 4, config.answerLateMin)
    }

    /// Gives the body to the best of those who answered, where nobody has it, or where it is much
    /// sooner than who has it.
    private mutating func commit(
        _ best: AttemptID, _ i: Int, isWaiting: Bool, at now: Instant
    ) {
        guard !attempts[best]!.hasBody else { return }
        let holders = calls[i].attempts.filter { attempts[$0]!.hasBody }
        if let holder = holders.min(by: { expected($0) < expected($1) }) {
            // One that has not answered yet may be the better one all the same.
            guard attempts[holder]!.isAnswered || attempts[holder]!.isLate else { return }
            let gain = expected(holder) - attempts[best]!.promisedAt
            let least = isWarm(holder, i, at: now) ? config.warmWorth : config.switchGain
            guard expected(holder) == .distantFuture || gain > least else { return }
        } else if isWaiting, !isUsual(attempts[best]!, at: now) {
            let took = now - attempts[best]!.askedAt
            let decidesAt = calls[i].decidesAt ?? now + min(took, config.askGraceMax)
            calls[i].decidesAt = decidesAt
            guard decidesAt <= now else { return wakeSooner(i, at: decidesAt) }
        }
        attempts[best]!.commit(at: now)
        flush(best)
        guard calls[i].resumptions == 0 else { return }
        steps.append(
            .tell(
                calls[i].id,
                .accepted(
                    provider: attempts[best]!.provider, position: attempts[best]!.position!)))
    }

    /// When an attempt that has answered would bring its first event, if it keeps its word.
    private func promised(_ id: AttemptID, at now: Instant) -> Instant {
        guard let attempt = attempts[id] else { return .distantFuture }
        return attempt.promisedAt + conduct.penalty(of: attempt.provider, at: now)
    }

    /// Whether it promises no later a first event than idle providers do on the average: others may
    /// be little better.
    private func isUsual(_ attempt: Attempt, at now: Instant) -> Bool {
        guard attempt.position == 0, let usual = conduct.usualFirstEvent,
            let expected = attempt.expectedAt,
            conduct.penalty(of: attempt.provider, at: now) == .zero
        else { return false }
        return expected - now <= usual
    }

    private func expected(_ id: AttemptID) -> Instant { attempts[id]?.expectedAt ?? .distantFuture }

    private func isWarm(_ id: AttemptID?, _ i: Int, at now: Instant) -> Bool {
        guard let id, let attempt = attempts[id],
            let conversation = calls[i].request.conversation, let row = warm[conversation]
        else { return false }
        return row.provider == attempt.provider && row.at + config.warmFor > now
    }

    // MARK: Hedging

    private func hedgeAt(_ attempt: Attempt) -> Instant {
        guard let committed = attempt.committedAt, let expected = attempt.expectedAt else {
            return .distantFuture
        }
        return committed + conduct.late(max(.zero, expected - committed))
    }

    private func overdueAt(_ attempt: Attempt) -> Instant {
        let due = hedgeAt(attempt)
        return due == .distantFuture ? due : due + config.answerTimeout
    }

    /// A first event that is later than 19 of 20 are: the call is made at another provider, too, while
    /// such calls are few. One that is far too late is taken for lost, however many there are.
    private mutating func hedge(_ i: Int, at now: Instant) {
        for id in calls[i].attempts {
            guard let attempt = attempts[id], attempt.hasBody, attempt.isAnswered else { continue }
            if hedgeAt(attempt) <= now, calls[i].untried.isEmpty { calls[i].reconsider() }
            if !attempt.isHedged, hedgeAt(attempt) <= now {
                attempts[id]!.isHedged = true
                guard hedgeAllowance >= config.hedgeOneIn else { continue }
                if ask(i, 1, hedges: true, at: now) {
                    hedgeAllowance -= config.hedgeOneIn
                    counters.hedges += 1
                }
            } else if !attempt.isOverdue, overdueAt(attempt) <= now {
                attempts[id]!.isOverdue = true
                conduct.failed(attempt.provider, at: now)
                _ = ask(i, 1, hedges: true, at: now)
            }
        }
    }
}
