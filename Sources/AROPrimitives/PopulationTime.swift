/// How long something takes among many peers: what to expect of one that was never measured.
///
/// The estimator of RFC 6298 §2, with the gains 1/8 and 1/4 of a connection applied to a
/// population: mean plus four mean deviations stands above the 95th percentile of the distributions
/// that networks usually show, and follows a change within ten samples.

package struct PopulationTime: Sendable {
    private var mean, deviation: Duration
    package private(set) var isMeasured = false

    /// Samples above count as this, so that no sum can overflow. A guess beyond any useful path.
    private static let sampleMax: Duration = .seconds(60)

    /// - Parameter first: what to expect before the first sample.
    package init(first: Duration) { (mean, deviation) = (first, .zero) }

    /// Where the slowest peers but a few are done.
    package var bound: Duration { mean + deviation * 4 }

    package mutating func measured(_ sample: Duration) {
        let sample = min(max(sample, .zero), Self.sampleMax)
        guard isMeasured else {
            (mean, deviation, isMeasured) = (sample, sample / 2, true)
            return
        }
        let error = sample - mean
        let size = error < .zero ? .zero - error : error
        deviation = deviation - deviation / 4 + size / 4
        mean += error / 8
    }

    /// Something was answered that had been sent twice: no sample (Karn's rule). The backoff that
    /// RFC 6298 §5.5 keeps in this case is spread over the population: samples undo a few of these, but
    /// where all peers have become slower than ``bound``, and so none gives a sample any more, it grows
    /// past them within some twenty.
    package mutating func wasAmbiguous() {
        guard isMeasured else { return }
        let step = max(deviation, mean / 2) / 8 + .microseconds(100)
        deviation = min(deviation + step, Self.sampleMax)
    }
}
