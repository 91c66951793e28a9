/// The bounds and times of inference, each with its origin.

import AROPrimitives
import AROWire

public struct InferenceConfiguration: Sendable {
    public init() {}

    // MARK: Calling

    /// Calls of the local user at once (a guess: a busy gateway).
    public var callsMax = 1_024
    /// Bytes told to the local user and not taken: they fill its memory, not ours (a guess: seconds
    /// of the fastest model).
    public var outputAhead = 256 << 10
    /// Providers remembered in one call; where more are known, as many of them at random (a guess).
    public var candidatesMax = 128
    /// Providers drawn at random, of which those are asked that promise most. Two make the longest
    /// queue grow like log log n instead of log n (Mitzenmacher 2001); more find the near ones.
    public var choices = 64
    /// Providers asked at once, before one gets the body. Of a hundred at 80 % load one in ten has a
    /// fast slot free: with eight asked, nine of ten calls had to wait; with 24, few
    /// (Docs/Benchmarks.md). To ask one costs a packet each way, and a handshake the first time.
    public var asks = 24
    /// How long the others' answers are waited for at most after the first; never longer than that
    /// one took (a guess: what a faster model gains).
    public var askGraceMax = Duration.milliseconds(30)
    /// Streams of one call at once, asked or running: ``asks``, and some that run.
    public var attemptsMax = 28
    /// Providers that one call asks in all, before it gives up or while it waits in a queue (a guess).
    public var triedMax = 64
    /// A provider whose answer says that the first event comes within so long is not compared with
    /// others (a guess: a round trip around the world).
    public var waitAccepted = Duration.milliseconds(300)
    /// How much sooner another must promise to answer than the one that has the body, to get it, too
    /// (a guess: a round trip, for which one of them may run in vain).
    public var switchGain = Duration.milliseconds(100)
    /// A provider that answers nothing is asked no more after so long (as of a fetch; a guess).
    public var answerTimeout = Duration.seconds(5)
    /// The least time without any answer before others are asked as well (a guess: some jitter).
    public var answerLateMin = Duration.milliseconds(250)
    /// The least time after which a call without its first event is made at a second provider, too
    /// (a guess: less costs more than it gains).
    public var hedgeMin = Duration.milliseconds(500)
    /// Of so many calls one may be hedged: Dean and Barroso, The Tail at Scale (2013), gain nearly
    /// all at 2 %, and warn of more than 5.
    public var hedgeOneIn = 20
    /// Hedges saved up (a guess).
    public var hedgeBurst = 8
    /// A provider that has the body and says nothing, though it may, is given up after so long: one
    /// that lives says so every ``reassureAfter`` (as for an answer; a guess).
    public var streamSilence = Duration.seconds(5)
    /// How long the user may think about what to resume with (a guess).
    public var resumeTimeout = Duration.seconds(30)
    /// How long a cancelled stream may take to be settled (a guess).
    public var closingTimeout = Duration.seconds(5)
    /// A conversation's provider is preferred so long after its last answer: what servers keep of a
    /// prefix is used by others by then (a guess).
    public var warmFor = Duration.minutes(10)
    /// How much longer it is worth to wait for a provider that knows the conversation (a guess: the
    /// time to read some thousand tokens again).
    public var warmWorth = Duration.seconds(2)
    /// Conversations and keys remembered (guesses).
    public var conversationsMax = 4_096
    public var keysMax = 4_096
    /// Providers whose conduct is remembered (as many as the directory holds).
    public var conductMax = 1_024
    /// What a failure adds to a provider's expected time; half of it is forgotten every
    /// ``penaltyHalfLife`` (guesses).
    public var penalty = Duration.seconds(4)
    public var penaltyMax = Duration.seconds(60)
    public var penaltyHalfLife = Duration.seconds(60)
    /// What is expected of providers of whom nothing is known (guesses): a round trip between
    /// continents, a short prompt read, a short answer.
    public var roundTripUnknown = Duration.milliseconds(150)
    public var firstEventUnknown = Duration.milliseconds(300)
    public var serviceUnknown = Duration.seconds(5)
    /// How far a receipt's dates may be from our clock (as of signed records).
    public var datesTolerance = Duration.minutes(10)

    // MARK: Serving

    /// Streams of callers at once, in all and of one caller (guesses: asking is cheap).
    public var servedStreamsMax = 4_096
    public var servedStreamsPerPeerMax = 256
    /// Bytes of one body, and of all bodies that wait for a model (guesses).
    public var bodyByteCountMax = 8 << 20
    public var bodiesByteCountMax = 128 << 20
    /// A stream whose CALL, or whose body, does not come is ended after so long (guesses).
    public var headTimeout = Duration.seconds(10)
    public var bodyTimeout = Duration.seconds(30)
    /// Bytes that the model server may be ahead of the slowest reader: what is in flight on a long
    /// path at the speed of a model, and no more memory (a guess).
    public var backendAhead = 64 << 10
    /// A signature stands for so many events or bytes at most (a guess: one in a hundred of the time
    /// to make them, at 27 µs a signature and 100 events a second).
    public var checkpointEvents: UInt64 = 64
    public var checkpointBytes: UInt64 = 64 << 10
    /// Output of one call, bytes (a guess: a million tokens).
    public var outputByteCountMax: UInt64 = 64 << 20
    /// A caller who waits for a slow model hears at least so often that we are there; kept to a second
    /// (a guess: some of it may be lost before the caller gives up).
    public var reassureAfter = Duration.seconds(1)
    /// No call runs longer (a guess).
    public var runTimeMax = Duration.minutes(60)
    /// A model server that tells nothing though it may is given up: before the first event, while it
    /// reads a long prompt, and after it (guesses).
    public var firstEventTimeout = Duration.minutes(5)
    public var backendSilence = Duration.seconds(60)
    /// A caller that takes nothing of what is there is hung up on after so long (as of a content
    /// stream, twice; a guess).
    public var stallTimeout = Duration.seconds(60)
    /// How long the caller's signature is waited for (a guess).
    public var settleTimeout = Duration.seconds(10)
    /// Answers kept for callers who ask again with the same key: each up to so many bytes, all
    /// together, for so long (guesses).
    public var replayByteCountMax = 1 << 20
    public var replaysByteCountMax = 32 << 20
    public var replaysMax = 1_024
    public var replayFor = Duration.minutes(10)
    /// Keys of answered calls remembered without their answers (a guess).
    public var answeredMax = 16_384

    // MARK: Accounts

    /// What a peer may owe us and not have promised before its calls are refused, in millionths of
    /// the unit of account. Matters only where a price is asked.
    public var creditLimit: UInt64 = 0
    /// What we promise one peer at most, in all, in millionths of the unit of account: nothing,
    /// unless the operator says so.
    public var promiseMax: UInt64 = 0
    /// Peers with whom balances are kept in memory (a guess).
    public var accountsMax = 16_384
}

/// As the parts of inference share it.
typealias SharedConfiguration = Shared<InferenceConfiguration>
