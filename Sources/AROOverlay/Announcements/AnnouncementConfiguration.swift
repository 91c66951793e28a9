/// The numbers of announcements, each with its origin. "Demers" is Demers and others, *Epidemic
/// algorithms for replicated database maintenance* (1987).

import AROPrimitives
import AROWire

public struct AnnouncementConfiguration: Sendable {
    // MARK: The directory

    /// Peers whose statements are kept: about 400 bytes each. A guess: everybody of a company, a
    /// fair sample of the world.
    public var directoryMax = 1_024
    /// Peers kept of one address and port once the directory is full: one socket is one node, and
    /// its predecessor before a change of identity.
    public var perEndpointMax = 2
    /// Peers kept of one IP address once the directory is full: machines behind one NAT. A guess.
    public var perHostMax = 8
    /// Peers kept of one /24 or /56 once the directory is full. A guess.
    public var perNetworkMax = 16
    /// Loopback and private addresses do not count against the cap of a network, as in Kademlia's
    /// tables: tests and simulations live on one network. The caps of hosts hold for them as well.
    public var privateNetworksAreExempt = true
    /// Peers that failed or left stay in sight this long, unless there is no room. Partitions that
    /// heal within it are found by asking them again. A guess.
    public var endedKept = Duration.minutes(30)
    /// Endings remembered after that, 24 bytes each. A guess: as many as members.
    public var tombstonesMax = 1_024

    // MARK: Our own statement

    /// An unchanged statement is renewed after ``periodPerMember`` for each member known, at least
    /// after ``periodMin``: so a node receives one renewal in ``periodPerMember`` at any size of the
    /// network, as a directory's size is bounded. Guesses, made for a tenth of a packet a second.
    public var periodMin = Duration.minutes(10)
    public var periodPerMember = Duration.seconds(10)
    /// A statement is valid for this many periods: two renewals may be missed. Twice as long where
    /// the directory is full, as others will have to come and ask for it.
    public var periodsOfLifetime: Int64 = 3
    /// What matters little, like a coordinate that settles, is told after this time, then after
    /// ``minorGrowth`` times as much, and so on up to the period. Guesses.
    public var minorFirst = Duration.seconds(30)
    public var minorGrowth: Int64 = 3
    /// Material changes told at once, before they have to wait for each other: one in
    /// ``changePerMember`` for each member, at least in ``changeMin``. A change costs every member
    /// about four packets; when all change all the time, each sends about four a second. Guesses.
    public var changesBurst = 4
    public var changeMin = Duration.seconds(5)
    public var changePerMember = Duration.seconds(1)
    /// Changes that come together go out as one. A guess below what anybody notices.
    public var changeDelay = Duration.milliseconds(10)
    /// Refutations of our death: at once, and then one in this time. A liar costs no more. Guesses.
    public var refutationsBurst = 4
    public var refutationInterval = Duration.seconds(2)

    // MARK: Rumours

    /// Rumours that come together leave together. A guess: a few hops of it are not noticed.
    public var rumourDelay = Duration.milliseconds(5)
    /// What an exchange brings is pushed on only if it was issued this lately; else a newcomer would
    /// push the whole network back to its neighbours. A guess.
    public var rumourAgeMax = Duration.minutes(1)
    /// Rumours that wait to be pushed; more are left to anti-entropy. A guess.
    public var rumoursMax = 256

    // MARK: Anti-entropy

    /// The interval between exchanges: the shorter while they find differences, the longer while
    /// they do not. Demers §1.3 leaves it open. Guesses: an idle node of fifty sends 0.12 packets a
    /// second.
    public var exchangeMin = Duration.seconds(1)
    public var exchangeMax = Duration.seconds(25)
    /// Statements found by an exchange that make the next one come sooner: two datagrams full.
    public var exchangeGain = 6
    /// Where the directory is full, one exchange in so many is made with a member whose statement
    /// runs out. With it, an idle node asks as many as it has in five periods.
    public var renewalOneIn = 2
    /// An answer is waited for this long. A guess: the slowest useful peer, and a handshake.
    public var answerTimeout = Duration.seconds(1)
    /// Times that a digest for a new neighbour is sent. A guess: 10 % loss each way leaves 1 %.
    public var syncTries = 3
    /// A comparison with a new neighbour ends early after so many slices in a row that differ in fewer
    /// than so many members: two nodes that have been there for a while know the same. Guesses: two
    /// slices are a tenth of the default directory, and a renewal or two are on their way in each.
    public var syncQuietRounds = 2
    public var syncDifferencesFew = 4
    /// Slices exchanged in a row with a new neighbour, and where the directory is full. Guesses:
    /// the whole ring of the default directory twice, and what a sample gains from one peer.
    public var syncRounds = 48
    public var syncRoundsFull = 4
    /// One exchange in so many is made with a member that is no neighbour; one in so many with one
    /// that failed, as it may be back, or a partition over. Guesses.
    public var strangerOneIn = 16
    public var failedOneIn = 8
    /// Entries that a digest for a failed member has: its own and its next ones. Most of the failed
    /// are dead, and the first message to each is repeated with its handshake. A guess: what fits the
    /// least handshake packet.
    public var failedEntries = 16
    /// Where the directory is full, what strangers know is worth more. A guess.
    public var strangerOneInFull = 4
    /// The side with the higher key lets the other begin with a new neighbour. A guess.
    public var syncDelay = Duration.milliseconds(30)

    // MARK: Doubts

    /// The accused is asked before an obituary by somebody who has no fresh knowledge is believed,
    /// and waited for this long. A guess: a handshake and a retransmission.
    public var doubtTimeout = Duration.seconds(3)
    /// Accused peers asked at once. A guess.
    public var doubtsMax = 32

    // MARK: What one sender may cause

    /// Messages taken from one neighbour at once, and then each second; all who are no neighbours
    /// share one such allowance. Guesses: the rumours of 1,000 members of whom all change.
    public var messagesBurst = 600
    public var messagesPerSecond = 100
    /// Signatures checked for one neighbour at once, and then each second: a directory full, then
    /// 1 % of a core. Guesses.
    public var checksBurst = 1_200
    public var checksPerSecond = 100
    /// Obituaries taken from one neighbour at once, and then each second. Guesses: the death of a
    /// quarter of the directory, then little, as each may cost the network a refutation.
    public var obituariesBurst = 256
    public var obituariesPerSecond = 5
    /// Neighbours that are told of everything. A guess: HyParView's active view is 5.
    public var neighboursMax = 16

    public init() {}

    func period(members: Int) -> Duration {
        max(periodMin, periodPerMember * Int64(members))
    }

    func changeInterval(members: Int) -> Duration {
        max(changeMin, changePerMember * Int64(members))
    }
}
