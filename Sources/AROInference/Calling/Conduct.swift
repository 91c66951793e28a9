/// What the node learned of providers by calling them: how long each takes to answer, what it said of
/// its queue last, and how often it failed lately. Failures are forgotten with time.

import AROPrimitives
import AROWire

struct Conduct {
    struct Row {
        /// From the question to the answer: a moving average.
        var answer: Duration?
        /// From the answer of an idle provider to its first event, as it says.
        var firstEvent: Duration?
        /// What it said last of the first event, and when.
        var told: (wait: Duration, at: Instant)?
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
        if position == 0 { usualFirstEvent = Self.average(usualFirstEvent, firstEvent) }
        change(provider) { row in
            row.answer = Self.average(row.answer, span)
            row.told = (firstEvent, now)
            row.refusesUntil = nil
            if position == 0 { row.firstEvent = Self.average(row.firstEvent, firstEvent) }
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

    /// How long until the first event, if this provider is asked now.
    func expected(_ candidate: CallCandidate, at now: Instant) -> Duration {
        let row = rows[candidate.id] ?? Row()
        var span = row.answer ?? candidate.roundTrip ?? config.roundTripUnknown
        span += row.firstEvent ?? candidate.offer?.firstToken ?? config.firstEventUnknown
        if let told = row.told {
            span += max(.zero, told.wait - (row.firstEvent ?? .zero) - (now - told.at))
        } else if let offer = candidate.offer, offer.slotsFree == 0 {
            let before = Int64(offer.queued) + 1
            span += config.serviceUnknown * before / Int64(max(1, offer.slots))
        }
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

extension ModelOffer {
    /// As its provider announces it; nil where that does not know it yet.
    fileprivate var firstToken: Duration? {
        firstTokenMilliseconds == 0 ? nil : .milliseconds(Int64(firstTokenMilliseconds))
    }
}
