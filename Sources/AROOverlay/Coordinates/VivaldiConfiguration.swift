/// The numbers of network coordinates, each with its origin. "Vivaldi" is Dabek, Cox, Kaashoek and
/// Morris 2004; serf is HashiCorp's implementation of it.

import AROPrimitives

public struct VivaldiConfiguration: Sendable {
    /// The share of the way towards a perfect prediction that one sample moves us. Vivaldi §4.2,
    /// c_c: 0.25.
    public var adaptation: Float = 0.25
    /// The share that one sample has in the error estimate. Vivaldi §4.2, c_e: 0.25.
    public var errorShare: Float = 0.25
    /// One sample moves us at most this many milliseconds where our error is 1, and proportionally
    /// less where it is smaller, so that who has found a place can only be pushed in small steps. A
    /// guess: a third of the way round the world.
    public var stepMax: Float = 100
    /// Below this error of ours the bound on a step does not shrink any more. A guess.
    public var stepErrorMin: Float = 0.05
    /// A peer's own error estimate counts as at least this: who claims to be certain would move all
    /// others and never be moved. A guess below what settled coordinates reach.
    public var claimedErrorMin: Float = 0.05
    /// One sample counts with at most this relative error. serf does not bound it; a guess.
    public var sampleErrorMax: Float = 1
    /// Who is this far out, in milliseconds, is drawn back to the origin by one millisecond a
    /// sample, nearer ones by the square less, so that the whole cloud does not drift (serf's
    /// gravity). A guess.
    public var gravityDistance: Float = 1_000
    /// Longer round trips are not the network's. A guess.
    public var roundTripMax = Duration.seconds(10)
    /// Samples of one peer move us at most this often. A guess: one that speaks much has no more
    /// weight than one that speaks little.
    public var sampleInterval = Duration.seconds(1)
    /// Peers whose latest round-trip times are remembered; the one unheard of for longest gives way.
    /// A guess: twice the neighbours that Vivaldi §5 finds enough.
    public var peersMax = 64
    /// Remembered peers that each sample makes count again. A guess: with five neighbours, half of
    /// what moves us is due to those met elsewhere.
    public var recalledPerSample = 1
    /// For so long after its last measurement. A guess: routes change more rarely.
    public var rememberedFor = Duration.hours(2)

    public init() {}
}
