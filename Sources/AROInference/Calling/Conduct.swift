/// What the node learned of providers by asking them: how long each takes to answer, how often it is
/// busy and how long calls wait there then, and how often it failed lately. Failures are forgotten
/// with time.
///
/// Whom to ask is drawn from what is known (Thompson 1933): each candidate is taken to be busy as often
/// as it was, so that those who are mostly full are asked seldom, and nobody is forgotten. To ask
/// always those who are best when idle sent every call to the same full ones, while others stood
/// idle. Queues that are announced count for nothing: in a large network they are minutes old.

import AROPrimitives
import AROWire

struct Conduct {
    struct Row {
        /// From the question to the answer: a moving average.
        var answer: Duration?
        /// From the answer of an idle provider to its first event, as it says.
        var firstEvent: Duration?
        /// How often it was busy when it was asked.
        var busy: Share?
        /// How much longer the first event took then, as it said.
        var wait: Duration?
        var penalty = Duration.zero
        var penaltyAt = Instant.origin
        /// Not asked before that time, because it said so.
        var refusesUntil: Instant?
    }

    private let shared: SharedConfiguration
    private var config: InferenceConfiguration { shared.value }
    private var rows: [PeerID: Row] = [:]
    private var order: [PeerID] = []
    private var oldest = 0
    /// What idle providers say of their first event: a moving average over all.
    private(set) var usualFirstEvent: Duration?
    /// Of all providers, how often one is busy and how long calls wait then; at first guesses.
    private var usualBusy = Share(thousandths: 500)
    private var usualWait = Duration.milliseconds(500)
    /// How many times longer than expected 19 of 20 first events take at most, in thousandths: a
    /// stochastic estimate of the quantile (Robbins and Monro 1951), up by 19 steps where one took
    /// longer, down by one where not.
    private(set) var lateRatio: Int64 = 2_000
    private static let lateRatios: ClosedRange<Int64> = 1_200...8_000

    init(_ shared: SharedConfiguration) { self.shared = shared }

    subscript(provider: PeerID) -> Row { rows[provider] ?? Row() }

    // MARK: What happened

    mutating func answered(
        _ provider: PeerID, after span: Duration, position: Int, firstEvent: Duration,
        at now: Instant
    ) {
        let isBusy = position > 0
        let wait = max(.zero, firstEvent - (self[provider].firstEvent ?? .zero))
        usualBusy.add(isBusy, oneIn: 16)
        if isBusy {
            usualWait += (wait - usualWait) / 16
        } else {
            usualFirstEvent = Self.average(usualFirstEvent, firstEvent)
        }
        change(provider) { row in
            row.answer = Self.average(row.answer, span)
            row.busy = row.busy?.adding(isBusy, oneIn: 4) ?? Share(thousandths: isBusy ? 1_000 : 0)
            row.refusesUntil = nil
            if isBusy {
                row.wait = Self.average(row.wait, wait)
            } else {
                row.firstEvent = Self.average(row.firstEvent, firstEvent)
            }
        }
    }

    mutating func refused(_ provider: PeerID, retryAfter: Duration, at now: Instant) {
        change(provider) { $0.refusesUntil = now + retryAfter }
    }

    mutating func failed(_ provider: PeerID, at now: Instant) {
        let (penalty, most) = (config.penalty, config.penaltyMax)
        let left = self.penalty(of: provider, at: now)
        change(provider) { row in
            row.penalty = min(left + penalty, most)
            row.penaltyAt = now
        }
    }

    mutating func succeeded(_ provider: PeerID, at now: Instant) {
        let left = penalty(of: provider, at: now)
        guard left > .zero else { return }
        change(provider) { row in (row.penalty, row.penaltyAt) = (left / 2, now) }
    }

    /// A first event came after `actual` where `expected` was.
    mutating func firstEvent(after actual: Duration, expected: Duration) {
        let step = max(1, lateRatio / 200)
        let bound = expected.nanoseconds.multipliedReportingOverflow(by: lateRatio)
        let isLate = !bound.overflow && actual.nanoseconds > bound.partialValue / 1_000
        let next = lateRatio + (isLate ? 19 * step : -step)
        lateRatio = min(max(next, Self.lateRatios.lowerBound), Self.lateRatios.upperBound)
    }

    // MARK: What to expect

    /// How long until the first event, if this provider is asked now: as it was at some time.
    func guess(
        _ candidate: CallCandidate, _ generator: inout Generator, at now: Instant
    ) -> Duration {
        let row = rows[candidate.id] ?? Row()
        var span = row.answer ?? candidate.roundTrip ?? config.roundTripUnknown
        span += row.firstEvent ?? candidate.offer?.firstToken ?? config.firstEventUnknown
        // A quarter of what all are like: one that was full once, or three times, need not be now.
        let busy = (row.busy ?? usualBusy).thousandths * 3 + usualBusy.thousandths
        if generator.below(4_000) < busy { span += row.wait ?? usualWait }
        if let until = row.refusesUntil { span += max(.zero, until - now) }
        return span + penalty(of: candidate.id, at: now)
    }

    /// How late a first event must be to be hedged, that was expected after `span`.
    func late(_ span: Duration) -> Duration {
        let product = span.nanoseconds.multipliedReportingOverflow(by: lateRatio)
        let late = product.overflow ? span : .nanoseconds(product.partialValue / 1_000)
        return max(late, config.hedgeMin)
    }

    func penalty(of provider: PeerID, at now: Instant) -> Duration {
        guard let row = rows[provider], row.penalty > .zero else { return .zero }
        let halvings = (now - row.penaltyAt).nanoseconds / config.penaltyHalfLife.nanoseconds
        return halvings > 32 ? .zero : .nanoseconds(row.penalty.nanoseconds >> halvings)
    }

    private mutating func change(_ provider: PeerID, _ body: (inout Row) -> Void) {
        if rows[provider] == nil {
            if order.count < config.conductMax {
                order.append(provider)
            } else {
                rows[order[oldest]] = nil
                order[oldest] = provider
                oldest = (oldest + 1) % config.conductMax
            }
        }
        body(&rows[provider, default: Row()])
    }

    /// An exponentially weighted average, a quarter of it the newest (a guess).
    private static func average(_ old: Duration?, _ new: Duration) -> Duration {
        guard let old else { return new }
        return old + (new - old) / 4
    }
}

/// A moving average of yes and no.
struct Share {
    var thousandths: Int

    mutating func add(_ yes: Bool, oneIn n: Int) {
        thousandths += ((yes ? 1_000 : 0) - thousandths) / n
    }

    func adding(_ yes: Bool, oneIn n: Int) -> Share {
        var out = self
        out.add(yes, oneIn: n)
        return out
    }
}

extension ModelOffer {
    /// As its provider announces it; nil where that does not know it yet.
    fileprivate var firstToken: Duration? {
        firstTokenMilliseconds == 0 ? nil : .milliseconds(Int64(firstTokenMilliseconds))
    }
}
