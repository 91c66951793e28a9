/// HyParView's numbers, each with its origin: "HyParView" is Leitão, Pereira and Rodrigues 2007.

import AROPrimitives
import AROWire

public struct MembershipConfiguration: Sendable {
    /// Neighbours: HyParView §5.2, 5.
    public var activeMax = 5
    /// Spare peers: HyParView §5.2, 30.
    public var passiveMax = 30
    /// The hops of a forwarded join, ARWL. HyParView §5.2: 6.
    public var activeWalk = 6
    /// Where that many hops are left, the newcomer goes into the passive view, PRWL. HyParView
    /// §5.2: 3.
    public var passiveWalk = 3
    /// The hops of a shuffle. The paper says only that it walks like a join.
    public var shuffleWalk = 6
    /// What a shuffle brings of the active and of the passive view. HyParView §5.2: 3 and 4.
    public var shuffleActive = 3
    public var shufflePassive = 4

    /// After joining, shuffles follow each other after this time, then ever more slowly until the
    /// last of these. Guesses: a view fills within a minute, and an idle node's shuffles cost the
    /// network seven messages in one and a half.
    public var shuffleFirst = Duration.seconds(1)
    public var shuffleLast = Duration.seconds(90)
    /// A node that has lost a neighbour shuffles at least this often for a while. A guess.
    public var shuffleAfterLoss = Duration.seconds(10)
    /// A reply to a shuffle is believed for this time. A guess: eight slow hops.
    public var shuffleReplyMax = Duration.seconds(10)

    /// A request without an answer is sent again after this time, then after twice that and so on,
    /// at most `requestWaitMax`. Guesses: more than most round trips of the public internet.
    public var requestWaitFirst = Duration.milliseconds(500)
    public var requestWaitMax = Duration.seconds(2)
    /// Times a request is sent: with 10 % loss each way, 99.9 % get an answer.
    public var transmissionsMax = 4
    /// Requests under way at once. A guess: three a second among peers that are all dead.
    public var requestsMax = 16
    /// Partings that are not answered yet. A guess; of more, each is sent once.
    public var partingsMax = 16

    /// A node with an empty place that was refused asks again after the first, then ever later until
    /// the last of these times. Guesses.
    public var refillFirst = Duration.milliseconds(500)
    public var refillLast = Duration.seconds(30)
    /// The longest such wait while more than one place is empty. A guess.
    public var refillUrgent = Duration.seconds(4)
    /// Refusals in a row after which room is demanded, with one place empty and with more. Guesses:
    /// twenty minutes, and half a one.
    public var refusalsMax = 40
    public var refusalsUrgent = 8

    /// Peers that failed and are asked again: what finds the other half after a partition. A guess.
    public var lostMax = 8
    /// They are asked after the first, then ever later (by half) until the last of these times, so
    /// many times: about six hours in all. Guesses.
    public var lostFirst = Duration.seconds(15)
    public var lostLast = Duration.hours(1)
    public var lostAttemptsMax = 17
    /// If one of them is back, the others are asked within this time. A guess.
    public var lostHurry = Duration.seconds(5)

    /// A node that has nobody left to ask says so, again after the first, then ever later until the
    /// last of these times. Guesses.
    public var isolatedFirst = Duration.seconds(5)
    public var isolatedLast = Duration.minutes(5)
    /// The first of these times where there are neighbours, which may bring more. A guess.
    public var isolatedTogether = Duration.seconds(15)

    /// Peers of one public network (/24, /56) in the passive view. A guess: a fifth of it.
    public var passivePerNetworkMax = 6
    /// A newcomer of a public network that has so many neighbours already takes the place of one of
    /// them, not of others. A guess.
    public var activePerNetworkMax = 2

    /// What one peer may have us do: at once, and then each second. A forwarded join takes 1 of it,
    /// a shuffle 128, a join 256. Guesses: as many joins through one neighbour as the contact of a
    /// fast growing network passes on, two shuffles a second. Too few of the first, and a network
    /// that grew through one contact stays a chain of neighbourhoods.
    public var allowanceBurst = 2_048
    public var allowancePerSecond = 256
    /// Peers whose allowance is remembered. A guess.
    public var allowancesMax = 32
    /// Neighbours that others may push out by joins and requests of high priority: at once, and then
    /// each second. A guess. What joins beyond that is passed on without becoming a neighbour: if
    /// each newcomer pushed out another before that one had links of its own, the network would grow
    /// as a chain.
    public var pushedOutBurst = 16
    public var pushedOutPerSecond = 4
    /// Joins passed on: at once, and then each second. Guesses: ten thousand nodes that join through
    /// one in a minute.
    public var referralBurst = 512
    public var referralsPerSecond = 256
    /// Strangers that we turn to because somebody named them: at once, and then each second. A
    /// guess; it bounds the handshakes that a liar can have us send to addresses that he made up.
    public var hearsayBurst = 32
    public var hearsayPerSecond = 2

    public init() {}
}
