/// How long something takes among many peers: what to expect of one that was never measured.
///
/// The estimator of RFC 6298 §2 applied to a population: mean plus four mean deviations stands above the
/// 95th percentile of the distributions that networks usually show. The gains are a quarter of those of
/// a connection, 1/32 and 1/16, and the first samples count alike: who asks many peers at once hears
/// the nearest first, and with the gains of a connection the last eight answers, all of near peers,
/// would be the whole population.

package struct PopulationTime: Sendable {
    private var mean, deviation: Duration
    /// What ambiguous answers add.
    private var backoff = Duration.zero
    /// Samples so far, up to ``countMax``.
    private var count: UInt8 = 0
    package var isMeasured: Bool { count > 0 }

    /// The reciprocals of the gains. A guess: some ten rounds of a look-up.
    private static let countMax: UInt8 = 32
    private static let deviationCountMax: UInt8 = 16

    /// Samples above count as this, so that no sum can overflow. A guess beyond any useful path.
    private static let sampleMax: Duration = .seconds(60)

    /// - Parameter first: what to expect before the first sample.
    package init(first: Duration) { (mean, deviation) = (first, .zero) }

    /// Where the slowest peers but a few are done.
    package var bound: Duration { min(mean + deviation * 4 + backoff, Self.sampleMax * 5) }

    package mutating func measured(_ sample: Duration) {
        let sample = min(max(sample, .zero), Self.sampleMax)
        guard isMeasured else {
            (mean, deviation, count) = (sample, sample / 2, 1)
            return
        }
        count = min(count + 1, Self.countMax)
        backoff -= backoff / 4
        let error = sample - mean
        let size = error < .zero ? .zero - error : error
        deviation += (size - deviation) / Int64(min(count, Self.deviationCountMax))
        mean += error / Int64(count)
    }

    /// Something was answered that had been sent twice: no sample (Karn's rule). The backoff that
    /// RFC 6298 §5.5 keeps in this case is spread over the population: each sample takes a quarter of
    /// it away, but where all peers have become slower than ``bound``, and so none gives a sample any
    /// more, it grows past them within some twenty.
    package mutating func wasAmbiguous() {
        guard isMeasured else { return }
        let step = max(deviation * 4 + backoff, mean * 2) / 8 + .microseconds(400)
        backoff = min(backoff + step, Self.sampleMax)
    }
}
