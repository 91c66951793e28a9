/// The bounds and times of the endpoint: handshakes, sessions, packet keys.

import AROPrimitives

public struct EndpointConfiguration: Sendable {
    // MARK: Sessions

    /// Sessions held at once; beyond it the longest idle one goes. A guess: four times what a routing
    /// table and its views need, about 16 MB when none has traffic.
    public var sessionsMax = 2_048
    /// A full table forgets only sessions that were silent for this long. A guess.
    public var evictableAfter: Duration = .seconds(5)
    /// Sessions that strangers may begin, in all and from one public network (/24 or /56): the rest is
    /// left for peers that we choose ourselves, and for everybody else. Guesses: three quarters, and a
    /// sixteenth, of the table.
    public var acceptedMax = 1_536
    public var acceptedPerNetworkMax = 128
    /// Silence after which a session is forgotten. A guess; NAT bindings for UDP last 2 minutes
    /// (RFC 4787 REQ-5).
    public var idleTimeout: Duration = .seconds(120)
    /// The same for a session whose initiator has not yet shown that its address is its own. A guess.
    public var unprovenIdleTimeout: Duration = .seconds(30)
    /// Whether we say in handshakes that we answer Kademlia queries.
    public var servesDHT = true
    /// Whether AES-256-GCM is used where both processors have it. False in simulated worlds that
    /// must give the same bytes on every machine.
    public var allowsAES = true

    // MARK: Handshakes

    /// From the first initiation to giving up. A guess: five to eight transmissions.
    public var handshakeTimeout: Duration = .seconds(10)
    /// Until the first retransmission; doubles with each. Between these it follows the round trips
    /// of handshakes with all peers (RFC 6298 §2); before the first one it is the longest. Guesses: a
    /// responder busy with other handshakes; and above most round-trip times, below RFC 9002's 1 s
    /// (§6.2.2), as an initiation is a single small packet.
    public var handshakeRetransmitMin: Duration = .milliseconds(50)
    public var handshakeRetransmitMax: Duration = .milliseconds(500)
    /// Between the first initiations to two addresses of one peer; RFC 8305 §5: 250 ms.
    public var addressStagger: Duration = .milliseconds(250)
    /// Addresses of one peer that are tried: those that a contact holds.
    public var addressesMax = 4
    /// Cookies that one attempt obeys, and one more with each retransmission. A guess: one for load,
    /// one for a changed clock, one to spare.
    public var cookiesPerAttemptMax = 3
    /// Messages that wait for a handshake, and the bytes of all of them. A guess.
    public var pendingMessagesMax = 16
    public var pendingBytesMax = 16 << 10

    // MARK: Strangers

    /// Initiations a second that are answered without a cookie. A guess: at 0.3 ms each, 6 % of a
    /// core.
    public var initiationsPerSecond = 200
    /// The same for those with a cookie; beyond, they are dropped. A guess: a third of a core.
    public var provenInitiationsPerSecond = 1_000
    /// Handshakes that we answered and that were not confirmed yet; beyond, cookies are demanded.
    /// A guess: 512 responses take 0.6 MB.
    public var halfOpenMax = 512
    /// Peers whose latest timestamp is remembered. A guess: 8,192 take 0.8 MB.
    public var timestampsMax = 8_192
    /// How far ahead of our clock a timestamp may be without a challenge. A guess.
    public var timestampLead: Duration = .seconds(120)
    /// A cookie is good for this time to twice this time. WireGuard §5.4.7: 120 s; ours are bound into
    /// a fresh handshake, which takes a round trip.
    public var cookiePeriod: Duration = .seconds(20)
    /// Resets a second that are sent to answer packets of unknown sessions, and as many that are
    /// listened to. A guess.
    public var resetsPerSecond = 50

    // MARK: Packets

    /// What one flush builds for one session before the next one's turn, and in all before the driver
    /// should read again. A guess: two segmented sends, and a large socket buffer.
    public var flushBytesPerSessionMax = 128 << 10
    public var flushBytesMax = 1 << 20

    /// Packets under one key. RFC 9001 §6.6 allows 2^23 with AES-GCM.
    public var packetsPerKey: UInt64 = 1 << 22
    /// How long a key is used where there is traffic. A guess; WireGuard §6.1: 120 s, with a new
    /// Diffie-Hellman where ours is a hash.
    public var keyLifetime: Duration = .seconds(600)
    /// How long packets of the key before are still read: RFC 9001 §6.5 advises three probe timeouts;
    /// 3 s covers those of a round trip of 600 ms.
    public var keyOverlap: Duration = .seconds(3)
    /// Forged packets after which a session ends. RFC 9001 §6.6: 2^36 with ChaCha20-Poly1305, the
    /// smaller of the two suites' limits.
    public var forgeriesMax: UInt64 = 1 << 36
    /// How long a new address of a peer may take to prove itself, at least; RFC 9000 §8.2.4: three
    /// probe timeouts, at least 1 s with its defaults.
    public var pathValidationMin: Duration = .seconds(1)

    public init() {}
}
