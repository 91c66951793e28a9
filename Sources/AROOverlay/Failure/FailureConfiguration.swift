/// The numbers of failure detection, each with its origin. "SWIM" is Das, Gupta and Motivala 2002,
/// "Lifeguard" is Dadgar, Phillips and Currey 2017; memberlist and serf are their best known
/// implementations.
///
/// Two demands give most of them: an idle node with five neighbours sends at most two packets a
/// second in all, and a death is known to fifty nodes after five seconds at the median, while a
/// process that was stopped for three seconds is never declared dead.
///
/// * Each end of a silent link draws its next probe from 3.5...4.7 s after the last sign of life, and
///   the earlier draw probes: 3.5 + 1.2 / 3 = 3.9 s at the mean. A probe is three packets (ping, ack,
///   the transport's acknowledgement), one and a half from each end: 5 links * 1.5 / 3.9 s = 1.9
///   packets per second and node. Among processes it is 1.7, as other messages are signs of life.
/// * A link's next probe is due within 4.1 s at the mean, at a time of its own, so that the first
///   of five watchers notices after about 4.1 s / 6 = 0.7 s. The verdict follows 3.3 s after its
///   first ping: 4 s, which leaves 1 s to spread it.

import AROPrimitives

public struct FailureConfiguration: Sendable {
    /// A link is probed when nothing was heard over it for a time drawn from these bounds.
    public var idleMin = Duration.milliseconds(3_500)
    public var idleMax = Duration.milliseconds(4_700)
    /// A link that is never silent is probed this long after its last ping or ack nevertheless, for
    /// the vitals that these carry. A guess.
    public var refreshInterval = Duration.seconds(20)
    /// A new link is probed within this time, at random, to learn who else watches the peer. A
    /// guess.
    public var firstProbeMax = Duration.seconds(1)

    /// An ack is awaited for this many measured round-trip times, between the bounds. SWIM §3.1
    /// leaves the time to measurement; the number is a guess, and the lower bound covers the delays
    /// of scheduling on a machine of fifty nodes.
    public var timeoutRoundTrips: Int64 = 3
    public var timeoutMin = Duration.milliseconds(200)
    /// memberlist's time, and the time for a peer that was not measured yet.
    public var timeoutMax = Duration.milliseconds(500)
    /// Peers behind a satellite get one and a half of their round-trip times, up to this. A guess.
    public var timeoutSlowest = Duration.milliseconds(1_500)

    /// Neighbours of a silent peer that are asked to probe it. SWIM §3.1 and memberlist: 3; here all
    /// that a peer with five neighbours has besides us, so that each that is silent, too, is known.
    public var helpers = 4
    /// What they have for it in all. As long as a direct probe at most takes.
    public var indirectTimeout = Duration.milliseconds(500)
    /// A helper says after this time that it is there and heard nothing: 80 % of the requester's
    /// time, Lifeguard §IV.A.
    public var nackAfter = Duration.milliseconds(400)
    /// A peer that does not answer is pinged again at this interval until the verdict, so that its
    /// life does not hang on one lost packet. A guess: six pings before the earliest verdict; on a
    /// path that loses a tenth of all packets each way, none of eight comes through once in 10^6.
    public var repeatInterval = Duration.milliseconds(400)

    /// A suspicion that was confirmed by all who could has run out after this time. Together with
    /// the direct and the indirect probe it stays below ``evidenceMin``.
    public var suspicionMin = Duration.milliseconds(2_200)
    /// One that nobody confirmed after this many times as long. Lifeguard §V: 6.
    public var suspicionMaxFactor: Int64 = 6
    /// Independent confirmations that bring the time to its minimum, or as many as there are
    /// co-watchers where they are fewer. Lifeguard §V: 3.
    public var confirmationsMax = 3
    /// No verdict before this time without a sign of life, counted from the first ping that was not
    /// answered: a process that is stopped for 3 s has 0.3 s to answer then.
    public var evidenceMin = Duration.milliseconds(3_300)

    /// A deadline that is met later than this was missed by our own fault. A guess: more than a busy
    /// machine's scheduling, less than half a probe.
    public var lateMin = Duration.milliseconds(250)
    /// Who got no answer in time for this long is not sure to be well, and judges nobody before he
    /// is, or before the longest suspicion has run out. Less than ``evidenceMin``: whose input is
    /// stuck got his last answer before the suspect's first one was due.
    public var wellFor = Duration.seconds(3)
    /// While we suspect somebody we see how we are ourselves, whenever no answer came in time for this
    /// long: by a ping to another neighbour, and to the next one where that does not answer either,
    /// so that also after a mass death one answers within ``wellFor``. Guesses: two direct probes at
    /// most, and four neighbours in the time that one answer is good for.
    public var checkAfter = Duration.seconds(1)
    public var checkInterval = Duration.milliseconds(500)
    /// Who is not sure to be well waits this many times the longest suspicion at most, as his health
    /// has it: 66 s, twice as long as the slowest members of Lifeguard's experiments hang (32.8 s).
    public var unwellScaleMax: Int64 = 5
    /// Of two who are alone with each other, the one that hears nothing of the other has nobody to ask
    /// and nobody to mislead: it waits so many times ``suspicionMin``, however it is itself. So does,
    /// if it is well, who looks once at one that nobody may be watching. A guess.
    public var aloneFactor: Int64 = 2
    /// The local health multiplier's upper bound. Lifeguard §V: 8.
    public var healthMax = 8
    /// Being suspected raises the multiplier no higher than this: neighbours may lie. A guess.
    public var suspectedHealthMax = 2
    /// A neighbour's ping that says nothing of suspicion lowers the multiplier by one, at most this
    /// often: a node whose neighbours are always faster to probe would otherwise never recover. As
    /// long as a link is silent at the mean.
    public var healthDecay = Duration.seconds(5)

    /// A peer that others vouch for but that we never hear is cleared this often in a row; the next
    /// time it is declared lost, which is said of our path and not of the peer. A guess.
    public var hearsayMax = 3
    /// Probes of a link on other peers' request are this far apart at least. A guess: less than two
    /// honest requests about one silence.
    public var askedIntervalMin = Duration.milliseconds(200)
    /// Neighbours named by a peer are read at most this often, as each may be a new entry of the
    /// peer book. A guess.
    public var neighboursReadInterval = Duration.seconds(1)
    /// A list of neighbours that has not changed is asked for this often all the same: addresses in it
    /// may have been forgotten meanwhile. A guess.
    public var sameNeighboursReadInterval = Duration.seconds(60)
    /// Messages of one watched peer that are answered each second. A guess: a node that was stopped
    /// finds eight pings of each watcher.
    public var answersPerSecond = 30
    /// Messages of all other peers together that are answered each second. A guess.
    public var strangerAnswersPerSecond = 60
    /// Peers looked at once, at a time, that may have died with all who watched them. A guess: what
    /// the neighbours of an active view that dies at once have for neighbours.
    public var visitsMax = 32
    /// We say at most this often that we are suspected. A guess.
    public var suspectedSelfInterval = Duration.seconds(5)
    /// Peers watched: those of the base overlay and of as many topics as fit. A guess.
    public var watchesMax = 512

    /// Lifeguard's local health aware probe: timeouts follow the health multiplier, helpers say
    /// nack, the time in which we were not running ourselves does not count, and who hears nobody
    /// judges late.
    public var isSelfAware = true
    /// Lifeguard's local health aware suspicion: its time shrinks with confirmations. Without it
    /// every suspicion has ``suspicionMin``, as the paper's plain SWIM has.
    public var hasDynamicSuspicion = true
    /// Lifeguard's buddy system: a suspected peer is told so by the next ping.
    public var hasBuddies = true

    public init() {}
}
