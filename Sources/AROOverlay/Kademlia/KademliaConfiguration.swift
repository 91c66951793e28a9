/// Kademlia's numbers, each with its origin. "Kademlia" is Maymounkov and Mazières 2002 (the long
/// version's sections), "S/Kademlia" is Baumgart and Mies 2007.

import AROPrimitives
import AROWire

public struct KademliaConfiguration: Sendable {
    /// Contacts of a bucket, holders of a record, and the breadth of a look-up. Kademlia §2.2: 20.
    public var k = 20
    /// Requests under way at once while a look-up converges. Kademlia §2.3: 3.
    public var alpha = 3
    /// Disjoint paths of a look-up that precedes a write (S/Kademlia §4.4 leaves the number open).
    /// A guess: with a fifth of liars and three hops, three paths leave one clean in 88 % of cases,
    /// and answers of the others still help.
    public var writePaths = 3
    /// Disjoint paths of the user's look-ups that only read. One: what they find is signed, so a liar
    /// can hide a record but not make one up, and several paths cost their number in messages.
    public var readPaths = 1
    /// Requests under way at once on each of several paths. S/Kademlia's look-ups are sequential;
    /// 2 hides one slow peer. A guess.
    public var pathWidth = 2
    /// Peers that one look-up may ask. A look-up among 10,000 peers asks about 30. A guess.
    public var lookupAskedMax = 120
    /// Candidates that one look-up remembers: those it may ask and as many again. A guess.
    public var lookupCandidatesMax = 240
    /// Candidates of one /24 or /56 in one look-up. A guess; go-libp2p-kad-dht keeps 3 in a table.
    public var lookupPerNetworkMax = 4

    /// Peers heard of, but perhaps never met, that a look-up starts from besides its contacts; 0 for
    /// none. As many as a look-up ends with: k.
    public var heardOfStart = 20

    /// Contacts of one network in a bucket and in the table: go-libp2p-kad-dht's filter, 2 and 3.
    public var bucketPerNetworkMax = 2
    public var tablePerNetworkMax = 3
    /// Loopback and private addresses do not count against the caps of a network: nobody outside
    /// can be reached there, and tests and simulations live on one network.
    public var privateNetworksAreExempt = true
    /// Spare contacts of a bucket (Kademlia §4.1 keeps some, without a number). A guess.
    public var sparesPerBucket = 5
    /// Unanswered requests in a row after which a contact is neither told to others nor asked
    /// while there are better. Kademlia §4.1: 5 with fixed timeouts; a request is sent four times
    /// here, so that two make eight.
    public var failuresUntilStale = 2
    /// A death that others tell of counts when it was not contradicted for this time. A live peer
    /// contradicts an accusation after at most 2 s (its refutations' interval); a rumour and a lost
    /// datagram take no longer than that again.
    public var deathStands = Duration.seconds(5)
    /// Whoever is gone, by its own word or that of others, is passed over for this long. A guess:
    /// until nobody names it any more; less than directories remember it, which would tell of its
    /// return.
    public var goneFor = Duration.minutes(10)
    /// Whoever did not answer us is not asked again by look-ups for this long, but where it is what
    /// they look for. A guess: some look-ups, and one address that moved.
    public var silentFor = Duration.minutes(1)
    /// Absent peers that are remembered, 16 bytes each. A guess: half of a directory.
    public var absencesMax = 512
    /// A contact that was heard from within this time need not prove itself to stay in a full
    /// bucket. A guess; BEP 5 calls a node good for 15 minutes.
    public var trustedFor = Duration.minutes(15)
    /// Kademlia §2.3: buckets without a look-up for an hour are refreshed.
    public var refreshInterval = Duration.hours(1)
    /// After joining, a bucket's refresh ends, or is left out, once so many of its contacts were heard
    /// from; the rest of k come with the traffic, or with the hourly refreshes. The paper looks up to
    /// the end. Twice alpha, a guess: what a look-up asks at once, and as many again for those that
    /// die.
    public var joinContacts = 6

    /// Times one request is sent: as many as its number can count. Four get through 10 % loss
    /// (each way) with 99.9 %, through 30 % with 93 %.
    public static let transmissionsMax = 4
    /// A request is forgotten, and counted against the contact, this long after it was sent, or
    /// later where the peer is known to be slow. A guess at the slowest useful peer.
    public var requestLifetime = Duration.seconds(2)
    /// The expected time until an answer is kept between these. Guesses: a scheduler's hiccup, and
    /// a geostationary path twice.
    public var expectedMin = Duration.milliseconds(20)
    public var expectedMax = Duration.milliseconds(1_500)
    /// What is expected before anything was measured. A guess above most round trips of the public
    /// internet.
    public var expectedFirst = Duration.milliseconds(500)

    /// Distinct valid answers after which a name counts as resolved without asking the rest of the
    /// k closest: as many as kubo collects for an IPNS name, 16.
    public var nameQuorum = 16
    /// Records kept: about 300 bytes each. A guess.
    public var recordsMax = 32_768
    /// Provider records kept of one key. A guess: more than one answer can carry, times eight.
    public var recordsPerKeyMax = 64
    /// Records kept of one author, over all keys. A guess: in a network of no more than k nodes all
    /// of them keep whatever a publisher provides.
    public var recordsPerAuthorMax = 8_192
    public var providerLifetime = RecordLimits.providerLifetimeMax
    /// Of the record of who holds a part and is fetching the rest: a fetch that is given up is
    /// forgotten soon. A guess.
    public var partLifetime = Duration.minutes(30)

    /// Records of others that wait to be handed to newcomers near their keys (Kademlia §2.5); 0 to leave
    /// that to renewal. A guess: what a node of a thousand holds where each publishes fifty.
    public var handOversMax = 1_024
    /// So many are handed over at once, and the next ones after this time: below what a peer may
    /// store. Guesses.
    public var handOversAtOnce = 8
    public var handOverInterval = Duration.milliseconds(100)

    /// What one peer may ask: at once, and then each second. Guesses; a look-up asks a peer once.
    public var asksBurst = 400
    public var asksPerSecond = 100
    /// What one peer may store: at once, and then each second. Guesses; a hundred signatures take
    /// 8 ms to check.
    public var storesBurst = 500
    public var storesPerSecond = 100
    /// Peers whose rate is remembered. A guess.
    public var ratesMax = 256

    /// Operations of the user under way at once. A guess.
    public var operationsMax = 256
    /// Renewals and refreshes under way at once, so that a node with many records speaks evenly.
    public var backgroundMax = 2
    /// Keys that a node may provide and names that it may publish. A guess.
    public var publicationsMax = 65_536
    /// A publication that nobody holds is tried again after this time. A guess.
    public var publicationRetry = Duration.minutes(1)
    /// A node without live contacts asks those it once knew after the first, then ever later until
    /// the last of these times. Guesses.
    public var rescueFirst = Duration.seconds(5)
    public var rescueLast = Duration.minutes(5)
    /// Contacts asked in one such attempt. A guess.
    public static let rescuedAtOnce = 8

    public init() {}
}
