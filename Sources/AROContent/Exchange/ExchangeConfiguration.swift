/// The bounds and times of content exchange, each with its origin.

import AROPrimitives
import AROWire

public struct ExchangeConfiguration: Sendable {
    public init() {}

    // MARK: Fetching

    /// Fetches at once (a guess).
    public var fetchesMax = 64
    /// Blocks of one fetch that are asked for, announced, or on their way to the disk, bytes: 64
    /// leaves of 1 MiB (a guess).
    public var bytesInFlightMax = 64 << 20
    /// Blocks of one fetch that are needed and not stored yet: the leaves of one node of the
    /// unixfs-v1-2025 profile.
    public var wantsMax = 1_024
    /// Blocks of one fetch, repeated ones counted each time: 16 TiB of 1 MiB leaves (a guess).
    public var blocksMax = 1 << 24
    /// Links decoded and not used up in one fetch (a guess: 10 MiB).
    public var linksMax = 1 << 16
    /// Blocks of one fetch being read from the disk, at most 2 MiB each (a guess).
    public var fetchReadsMax = 8
    /// Peers that one fetch asks at once; at most 64 (a guess).
    public var providersMax = 16
    /// Peers asked at once while little is to be fetched (a guess, after Kademlia's α).
    public var providersFew = 3
    /// Peers remembered in one fetch (a guess).
    public var candidatesMax = 64
    /// The least window of a peer, bytes; two blocks are always allowed (a guess: a quarter leaf).
    public var windowMin = 256 << 10
    /// Peers asked for one block, once nothing else is left to ask for (BitTorrent's end game asks
    /// all; two waste less).
    public var copiesMax = 2
    /// Blocks that a peer may lack although it said that it holds them: evictions happen (a guess).
    public var brokenPromisesMax = 8
    /// Failures in a row after which a peer is not tried again by the same fetch (a guess).
    public var candidateFailuresMax = 3
    /// How long a peer may take to be connected (a guess: four transmissions of a handshake, of which
    /// a path that loses a fifth of all packets loses all in one of 60 tries).
    public var connectTimeout = Duration.seconds(5)
    /// A peer that is not connected after so long does not keep others from being tried and looked for
    /// (a guess: two transmissions of a handshake).
    public var connectLate = Duration.seconds(1)
    /// A peer that owes an answer and sends nothing at all for so long is asked no more (a guess:
    /// some timeouts of the transport's loss recovery).
    public var silenceTimeout = Duration.seconds(4)
    /// A peer that owes an answer must complete one, or send ``stallBytesMin``, within this (a guess).
    public var stallTimeout = Duration.seconds(10)
    public var stallBytesMin = 16 << 10
    /// The least time before a block is asked of a second peer because the first is late (a guess).
    public var hedgeMin = Duration.milliseconds(300)
    /// A fetch fails when no new block came from the network for so long: what kubo's gateway waits
    /// (its `RetrievalTimeout`). Who holds nothing now, or cannot be reached, may do so by then.
    public var patience = Duration.seconds(30)
    /// Before the next search or the next try of a peer; doubles each time (a guess).
    public var retryDelay = Duration.seconds(1)
    /// Between searches for more peers while a fetch goes on with fewer than it may ask: at first,
    /// and at most, as it doubles whenever nobody new was found (guesses).
    public var searchIntervalMin = Duration.seconds(2)
    public var searchInterval = Duration.seconds(30)
    /// Between two questions to a partial provider what it holds by now, and as much more for each
    /// hundred blocks that are asked about: about 7 kB a second at most (a guess).
    public var haveMapInterval = Duration.milliseconds(500)
    /// A peer that needs longer for a block is asked for one at a time (a guess).
    public var pipelinedTime = Duration.seconds(1)
    /// Where a fetch is read while it goes on, and several peers hold the content: of so many blocks
    /// that come next every second one is asked for out of order, so that fetches of the same content
    /// have different blocks to exchange (a guess: 16 MiB).
    public var readAheadMax = 16
    /// Between two progress events.
    public var progressInterval = Duration.milliseconds(200)
    /// A fetch of all of some content offers what it has once there is a first leaf and it has gone on
    /// for so long: a shorter one is announced at its end anyway (a guess).
    public var offerAfter = Duration.seconds(1)
    /// Of the peers remembered in one fetch, those that nobody named but that asked us for what we
    /// fetch (a guess: a quarter).
    public var askersMax = 16

    // MARK: Serving

    /// Streams served at once, in all and to one peer (guesses).
    public var servedStreamsMax = 256
    public var servedStreamsPerPeerMax = 8
    /// Blocks being read or waiting for room: of one stream, of one peer, in all, bytes; each read
    /// counts as the largest block until its size is known (guesses).
    public var servedBytesPerStreamMax = 8 << 20
    public var servedBytesPerPeerMax = 8 << 20
    public var servedBytesMax = 64 << 20
    /// A stream whose requester takes no bytes, or asks for nothing, is ended after so long (guesses).
    public var servedStallTimeout = Duration.seconds(30)
    /// The same where others wait for the memory that it holds (a guess).
    public var servedPressedTimeout = Duration.seconds(2)
    public var servedIdleTimeout = Duration.seconds(60)
}
