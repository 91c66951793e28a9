/// The numbers of a node's `Configuration` under their own names, as `config:` of a scenario sets them:
/// `config: {kademlia.k: 8, gossip.membership.activeMax: 6}`. A test holds this list against the types.

import AROContent
import AROInference
import ARONode
import AROOverlay
import AROPrimitives
import AROTransport

/// One number, by its place in a part of the configuration.
private struct Keys<Part>: Sendable {
    typealias Path<Value> = any WritableKeyPath<Part, Value> & Sendable

    var ints: [(String, Path<Int>)] = []
    var longs: [(String, Path<Int64>)] = []
    var counts: [(String, Path<UInt64>)] = []
    var spans: [(String, Path<Duration>)] = []
    var flags: [(String, Path<Bool>)] = []
    var shares: [(String, Path<Float>)] = []
}

private let nodeKeys = Keys<Configuration>(
    ints: [
        ("providersWanted", \.providersWanted),
        (
            "modelProvidersWanted",
            \.modelProvidersWanted
        ), ("modelProvidersEnough", \.modelProvidersEnough),
        ("subscribersWanted", \.subscribersWanted), ("streamReadMax", \.streamReadMax),
    ],
    flags: [
        ("servesDHT", \.servesDHT)
    ])

private let transportKeys = Keys<TransportConfiguration>(
    ints: [
        ("packetOverhead", \.packetOverhead), ("ackEvery", \.ackEvery),
        (
            "ackRangesMax",
            \.ackRangesMax
        ), ("receivedRangesMax", \.receivedRangesMax),
        (
            "packetThreshold",
            \.packetThreshold
        ), ("packetThresholdMax", \.packetThresholdMax),
        ("initialWindowPackets", \.initialWindowPackets),
        (
            "congestionWindowMax",
            \.congestionWindowMax
        ), ("pacingBurstPacketsMax", \.pacingBurstPacketsMax),
        ("datagramMax", \.datagramMax), ("mtuProbesMax", \.mtuProbesMax),
        ("mtuGranularity", \.mtuGranularity), ("blackHolePackets", \.blackHolePackets),
        ("blackHoleProbeTimeouts", \.blackHoleProbeTimeouts),
        (
            "streamsMax",
            \.streamsMax
        ), ("receiveHolesMax", \.receiveHolesMax),
        (
            "sendHighWater",
            \.sendHighWater
        ), ("messagesMax", \.messagesMax),
        (
            "loneMessagesMax",
            \.loneMessagesMax
        ),
    ],
    counts: [
        ("mtuSearchAfter", \.mtuSearchAfter), ("streamWindow", \.streamWindow),
        ("connectionWindow", \.connectionWindow), ("streamWindowMax", \.streamWindowMax),
        ("connectionWindowMax", \.connectionWindowMax),
    ],
    spans: [
        ("ackDelayMax", \.ackDelayMax), ("initialRoundTrip", \.initialRoundTrip),
        ("probeTimeoutMax", \.probeTimeoutMax), ("pacingQuantum", \.pacingQuantum),
        ("mtuRaiseInterval", \.mtuRaiseInterval),
    ])

private let endpointKeys = Keys<EndpointConfiguration>(
    ints: [
        ("sessionsMax", \.sessionsMax), ("acceptedMax", \.acceptedMax),
        ("acceptedPerNetworkMax", \.acceptedPerNetworkMax),
        (
            "addressesMax",
            \.addressesMax
        ), ("cookiesPerAttemptMax", \.cookiesPerAttemptMax),
        ("pendingMessagesMax", \.pendingMessagesMax),
        (
            "pendingBytesMax",
            \.pendingBytesMax
        ), ("initiationsPerSecond", \.initiationsPerSecond),
        ("provenInitiationsPerSecond", \.provenInitiationsPerSecond),
        (
            "halfOpenMax",
            \.halfOpenMax
        ), ("timestampsMax", \.timestampsMax),
        (
            "resetsPerSecond",
            \.resetsPerSecond
        ), ("flushBytesPerSessionMax", \.flushBytesPerSessionMax),
        ("flushBytesMax", \.flushBytesMax),
    ],
    counts: [
        ("packetsPerKey", \.packetsPerKey), ("forgeriesMax", \.forgeriesMax),
    ],
    spans: [
        ("evictableAfter", \.evictableAfter), ("idleTimeout", \.idleTimeout),
        ("unprovenIdleTimeout", \.unprovenIdleTimeout),
        (
            "handshakeTimeout",
            \.handshakeTimeout
        ), ("handshakeRetransmitMin", \.handshakeRetransmitMin),
        ("handshakeRetransmitMax", \.handshakeRetransmitMax),
        (
            "addressStagger",
            \.addressStagger
        ), ("timestampLead", \.timestampLead),
        (
            "cookiePeriod",
            \.cookiePeriod
        ), ("keyLifetime", \.keyLifetime), ("keyOverlap", \.keyOverlap),
        ("pathValidationMin", \.pathValidationMin),
    ],
    flags: [
        ("servesDHT", \.servesDHT), ("allowsAES", \.allowsAES),
    ])

private let kademliaKeys = Keys<KademliaConfiguration>(
    ints: [
        ("k", \.k), ("alpha", \.alpha), ("writePaths", \.writePaths),
        (
            "readPaths",
            \.readPaths
        ), ("pathWidth", \.pathWidth), ("lookupAskedMax", \.lookupAskedMax),
        ("lookupCandidatesMax", \.lookupCandidatesMax),
        (
            "lookupPerNetworkMax",
            \.lookupPerNetworkMax
        ), ("heardOfStart", \.heardOfStart),
        (
            "bucketPerNetworkMax",
            \.bucketPerNetworkMax
        ), ("tablePerNetworkMax", \.tablePerNetworkMax),
        ("sparesPerBucket", \.sparesPerBucket), ("joinContacts", \.joinContacts),
        ("absencesMax", \.absencesMax),
        (
            "failuresUntilStale",
            \.failuresUntilStale
        ), ("nameQuorum", \.nameQuorum), ("recordsMax", \.recordsMax),
        ("recordsPerKeyMax", \.recordsPerKeyMax),
        (
            "recordsPerAuthorMax",
            \.recordsPerAuthorMax
        ), ("asksBurst", \.asksBurst),
        (
            "asksPerSecond",
            \.asksPerSecond
        ), ("storesBurst", \.storesBurst),
        (
            "storesPerSecond",
            \.storesPerSecond
        ), ("ratesMax", \.ratesMax), ("operationsMax", \.operationsMax),
        ("backgroundMax", \.backgroundMax), ("publicationsMax", \.publicationsMax),
        ("handOversMax", \.handOversMax), ("handOversAtOnce", \.handOversAtOnce),
    ],
    spans: [
        ("trustedFor", \.trustedFor), ("deathStands", \.deathStands),
        ("goneFor", \.goneFor), ("silentFor", \.silentFor), ("refreshInterval", \.refreshInterval),
        ("requestLifetime", \.requestLifetime), ("expectedMin", \.expectedMin),
        ("expectedMax", \.expectedMax), ("expectedFirst", \.expectedFirst),
        ("providerLifetime", \.providerLifetime), ("partLifetime", \.partLifetime),
        ("handOverInterval", \.handOverInterval),
        (
            "publicationRetry",
            \.publicationRetry
        ), ("rescueFirst", \.rescueFirst), ("rescueLast", \.rescueLast),
    ],
    flags: [
        ("privateNetworksAreExempt", \.privateNetworksAreExempt)
    ])

private let exchangeKeys = Keys<ExchangeConfiguration>(
    ints: [
        ("fetchesMax", \.fetchesMax), ("bytesInFlightMax", \.bytesInFlightMax),
        ("wantsMax", \.wantsMax), ("blocksMax", \.blocksMax), ("linksMax", \.linksMax),
        ("fetchReadsMax", \.fetchReadsMax), ("providersMax", \.providersMax),
        ("providersFew", \.providersFew), ("candidatesMax", \.candidatesMax),
        ("windowMin", \.windowMin), ("copiesMax", \.copiesMax),
        (
            "brokenPromisesMax",
            \.brokenPromisesMax
        ), ("candidateFailuresMax", \.candidateFailuresMax),
        ("stallBytesMin", \.stallBytesMin), ("askersMax", \.askersMax),
        ("readAheadMax", \.readAheadMax),
        ("servedStreamsMax", \.servedStreamsMax),
        (
            "servedStreamsPerPeerMax",
            \.servedStreamsPerPeerMax
        ),
        (
            "servedBytesPerStreamMax",
            \.servedBytesPerStreamMax
        ), ("servedBytesPerPeerMax", \.servedBytesPerPeerMax),
        ("servedBytesMax", \.servedBytesMax),
    ],
    spans: [
        ("offerAfter", \.offerAfter), ("pipelinedTime", \.pipelinedTime),
        ("searchIntervalMin", \.searchIntervalMin),
        ("connectTimeout", \.connectTimeout), ("connectLate", \.connectLate),
        ("silenceTimeout", \.silenceTimeout), ("stallTimeout", \.stallTimeout),
        ("hedgeMin", \.hedgeMin), ("patience", \.patience), ("retryDelay", \.retryDelay),
        ("searchInterval", \.searchInterval), ("haveMapInterval", \.haveMapInterval),
        ("progressInterval", \.progressInterval),
        (
            "servedStallTimeout",
            \.servedStallTimeout
        ), ("servedPressedTimeout", \.servedPressedTimeout),
        ("servedIdleTimeout", \.servedIdleTimeout),
    ])

private let gossipKeys = Keys<GossipConfiguration>(
    ints: [
        ("offeredWhenIsolated", \.offeredWhenIsolated)
    ],
    flags: [
        ("isOn", \.isOn)
    ])

private let membershipKeys = Keys<MembershipConfiguration>(
    ints: [
        ("activeMax", \.activeMax), ("passiveMax", \.passiveMax),
        (
            "activeWalk",
            \.activeWalk
        ), ("passiveWalk", \.passiveWalk), ("shuffleWalk", \.shuffleWalk),
        ("shuffleActive", \.shuffleActive), ("shufflePassive", \.shufflePassive),
        ("transmissionsMax", \.transmissionsMax), ("requestsMax", \.requestsMax),
        ("partingsMax", \.partingsMax), ("refusalsMax", \.refusalsMax),
        (
            "refusalsUrgent",
            \.refusalsUrgent
        ), ("lostMax", \.lostMax), ("lostAttemptsMax", \.lostAttemptsMax),
        ("passivePerNetworkMax", \.passivePerNetworkMax),
        (
            "activePerNetworkMax",
            \.activePerNetworkMax
        ), ("allowanceBurst", \.allowanceBurst),
        ("allowancePerSecond", \.allowancePerSecond), ("allowancesMax", \.allowancesMax),
        ("pushedOutBurst", \.pushedOutBurst),
        (
            "pushedOutPerSecond",
            \.pushedOutPerSecond
        ), ("referralBurst", \.referralBurst),
        (
            "referralsPerSecond",
            \.referralsPerSecond
        ), ("hearsayBurst", \.hearsayBurst),
        (
            "hearsayPerSecond",
            \.hearsayPerSecond
        ),
    ],
    spans: [
        ("shuffleFirst", \.shuffleFirst), ("shuffleLast", \.shuffleLast),
        ("shuffleAfterLoss", \.shuffleAfterLoss), ("shuffleReplyMax", \.shuffleReplyMax),
        ("requestWaitFirst", \.requestWaitFirst), ("requestWaitMax", \.requestWaitMax),
        ("refillFirst", \.refillFirst), ("refillLast", \.refillLast),
        (
            "refillUrgent",
            \.refillUrgent
        ), ("lostFirst", \.lostFirst), ("lostLast", \.lostLast),
        ("lostHurry", \.lostHurry), ("isolatedFirst", \.isolatedFirst),
        (
            "isolatedLast",
            \.isolatedLast
        ), ("isolatedTogether", \.isolatedTogether),
    ])

private let failureKeys = Keys<FailureConfiguration>(
    ints: [
        ("helpers", \.helpers), ("confirmationsMax", \.confirmationsMax),
        (
            "healthMax",
            \.healthMax
        ), ("suspectedHealthMax", \.suspectedHealthMax),
        (
            "hearsayMax",
            \.hearsayMax
        ), ("answersPerSecond", \.answersPerSecond),
        ("strangerAnswersPerSecond", \.strangerAnswersPerSecond),
        (
            "watchesMax",
            \.watchesMax
        ), ("visitsMax", \.visitsMax),
    ],
    longs: [
        ("timeoutRoundTrips", \.timeoutRoundTrips),
        (
            "suspicionMaxFactor",
            \.suspicionMaxFactor
        ), ("unwellScaleMax", \.unwellScaleMax),
        (
            "aloneFactor",
            \.aloneFactor
        ),
    ],
    spans: [
        ("idleMin", \.idleMin), ("idleMax", \.idleMax),
        (
            "refreshInterval",
            \.refreshInterval
        ), ("firstProbeMax", \.firstProbeMax),
        (
            "timeoutMin",
            \.timeoutMin
        ), ("timeoutMax", \.timeoutMax), ("timeoutSlowest", \.timeoutSlowest),
        ("indirectTimeout", \.indirectTimeout), ("nackAfter", \.nackAfter),
        ("repeatInterval", \.repeatInterval), ("suspicionMin", \.suspicionMin),
        ("evidenceMin", \.evidenceMin), ("lateMin", \.lateMin), ("wellFor", \.wellFor),
        ("checkAfter", \.checkAfter), ("checkInterval", \.checkInterval),
        (
            "healthDecay",
            \.healthDecay
        ), ("askedIntervalMin", \.askedIntervalMin),
        ("neighboursReadInterval", \.neighboursReadInterval),
        ("sameNeighboursReadInterval", \.sameNeighboursReadInterval),
        (
            "suspectedSelfInterval",
            \.suspectedSelfInterval
        ),
    ],
    flags: [
        ("isSelfAware", \.isSelfAware), ("hasDynamicSuspicion", \.hasDynamicSuspicion),
        ("hasBuddies", \.hasBuddies),
    ])

private let vivaldiKeys = Keys<VivaldiConfiguration>(
    ints: [
        ("peersMax", \.peersMax), ("recalledPerSample", \.recalledPerSample),
    ],
    spans: [
        ("roundTripMax", \.roundTripMax), ("sampleInterval", \.sampleInterval),
        ("rememberedFor", \.rememberedFor),
    ],
    shares: [
        ("adaptation", \.adaptation), ("errorShare", \.errorShare),
        (
            "stepMax",
            \.stepMax
        ), ("stepErrorMin", \.stepErrorMin),
        (
            "claimedErrorMin",
            \.claimedErrorMin
        ), ("sampleErrorMax", \.sampleErrorMax),
        (
            "gravityDistance",
            \.gravityDistance
        ),
    ])

private let announcementKeys = Keys<AnnouncementConfiguration>(
    ints: [
        ("directoryMax", \.directoryMax), ("perEndpointMax", \.perEndpointMax),
        ("perHostMax", \.perHostMax), ("perNetworkMax", \.perNetworkMax),
        ("tombstonesMax", \.tombstonesMax), ("changesBurst", \.changesBurst),
        ("refutationsBurst", \.refutationsBurst), ("rumoursMax", \.rumoursMax),
        ("exchangeGain", \.exchangeGain), ("renewalOneIn", \.renewalOneIn),
        (
            "syncTries",
            \.syncTries
        ), ("syncRounds", \.syncRounds), ("syncQuietRounds", \.syncQuietRounds),
        ("syncDifferencesFew", \.syncDifferencesFew), ("syncRoundsFull", \.syncRoundsFull),
        ("strangerOneIn", \.strangerOneIn), ("failedOneIn", \.failedOneIn),
        ("failedEntries", \.failedEntries),
        ("strangerOneInFull", \.strangerOneInFull), ("doubtsMax", \.doubtsMax),
        ("messagesBurst", \.messagesBurst), ("messagesPerSecond", \.messagesPerSecond),
        ("checksBurst", \.checksBurst), ("checksPerSecond", \.checksPerSecond),
        ("obituariesBurst", \.obituariesBurst),
        (
            "obituariesPerSecond",
            \.obituariesPerSecond
        ), ("neighboursMax", \.neighboursMax),
    ],
    longs: [
        ("periodsOfLifetime", \.periodsOfLifetime), ("minorGrowth", \.minorGrowth),
    ],
    spans: [
        ("endedKept", \.endedKept), ("periodMin", \.periodMin),
        (
            "periodPerMember",
            \.periodPerMember
        ), ("minorFirst", \.minorFirst),
        ("changeMin", \.changeMin),
        ("changePerMember", \.changePerMember), ("changeDelay", \.changeDelay),
        ("refutationInterval", \.refutationInterval), ("rumourDelay", \.rumourDelay),
        ("rumourAgeMax", \.rumourAgeMax), ("exchangeMin", \.exchangeMin),
        (
            "exchangeMax",
            \.exchangeMax
        ), ("answerTimeout", \.answerTimeout), ("syncDelay", \.syncDelay),
        ("doubtTimeout", \.doubtTimeout),
    ],
    flags: [
        ("privateNetworksAreExempt", \.privateNetworksAreExempt)
    ])

private let topicsKeys = Keys<TopicsConfiguration>(
    ints: [
        ("swarmsMax", \.swarmsMax), ("publishesPerSecond", \.publishesPerSecond),
        ("publishesBurst", \.publishesBurst), ("deliveredAheadMax", \.deliveredAheadMax),
        ("subscribersMax", \.subscribersMax),
    ],
    spans: [
        ("linger", \.linger), ("mergeFirst", \.mergeFirst),
        (
            "mergeInterval",
            \.mergeInterval
        ), ("banFor", \.banFor),
    ])

private let plumtreeKeys = Keys<PlumtreeConfiguration>(
    ints: [
        ("optimisationHops", \.optimisationHops), ("shorteningHops", \.shorteningHops),
        ("steadyPosts", \.steadyPosts), ("attemptsMax", \.attemptsMax),
        (
            "gapAttemptsMax",
            \.gapAttemptsMax
        ), ("gapPostsMax", \.gapPostsMax),
        (
            "repairsUntilGraft",
            \.repairsUntilGraft
        ), ("digestRounds", \.digestRounds),
        (
            "rememberedMax",
            \.rememberedMax
        ), ("rememberedBytesMax", \.rememberedBytesMax),
        (
            "publishersMax",
            \.publishersMax
        ), ("missingMax", \.missingMax),
        (
            "missingPerNeighbourMax",
            \.missingPerNeighbourMax
        ), ("postsPerSecond", \.postsPerSecond),
        (
            "postsBurst",
            \.postsBurst
        ), ("asksPerSecond", \.asksPerSecond), ("asksBurst", \.asksBurst),
        ("forgeriesMax", \.forgeriesMax),
    ],
    spans: [
        ("shorteningInterval", \.shorteningInterval), ("announceDelay", \.announceDelay),
        ("waitMin", \.waitMin), ("waitMax", \.waitMax),
        (
            "roundTripFirst",
            \.roundTripFirst
        ), ("retryMin", \.retryMin), ("retryMax", \.retryMax),
        ("digestInterval", \.digestInterval), ("rememberedFor", \.rememberedFor),
        ("staleAfter", \.staleAfter),
    ])

private let inferenceKeys = Keys<InferenceConfiguration>(
    ints: [
        ("callsMax", \.callsMax), ("outputAhead", \.outputAhead),
        (
            "candidatesMax",
            \.candidatesMax
        ), ("choices", \.choices), ("asks", \.asks), ("attemptsMax", \.attemptsMax),
        ("triedMax", \.triedMax), ("hedgeOneIn", \.hedgeOneIn),
        (
            "hedgeBurst",
            \.hedgeBurst
        ), ("conversationsMax", \.conversationsMax), ("keysMax", \.keysMax),
        ("conductMax", \.conductMax), ("servedStreamsMax", \.servedStreamsMax),
        ("servedStreamsPerPeerMax", \.servedStreamsPerPeerMax),
        (
            "bodyByteCountMax",
            \.bodyByteCountMax
        ), ("bodiesByteCountMax", \.bodiesByteCountMax),
        ("backendAhead", \.backendAhead), ("replayByteCountMax", \.replayByteCountMax),
        ("replaysByteCountMax", \.replaysByteCountMax), ("replaysMax", \.replaysMax),
        ("answeredMax", \.answeredMax), ("accountsMax", \.accountsMax),
    ],
    counts: [
        ("checkpointEvents", \.checkpointEvents), ("checkpointBytes", \.checkpointBytes),
        ("outputByteCountMax", \.outputByteCountMax), ("creditLimit", \.creditLimit),
        ("promiseMax", \.promiseMax),
    ],
    spans: [
        ("waitAccepted", \.waitAccepted), ("askGraceMax", \.askGraceMax),
        ("switchGain", \.switchGain),
        (
            "answerTimeout",
            \.answerTimeout
        ), ("answerLateMin", \.answerLateMin), ("hedgeMin", \.hedgeMin),
        ("streamSilence", \.streamSilence), ("resumeTimeout", \.resumeTimeout),
        ("closingTimeout", \.closingTimeout), ("warmFor", \.warmFor),
        (
            "warmWorth",
            \.warmWorth
        ), ("penalty", \.penalty), ("penaltyMax", \.penaltyMax),
        ("penaltyHalfLife", \.penaltyHalfLife), ("roundTripUnknown", \.roundTripUnknown),
        ("firstEventUnknown", \.firstEventUnknown), ("serviceUnknown", \.serviceUnknown),
        ("datesTolerance", \.datesTolerance), ("headTimeout", \.headTimeout),
        ("bodyTimeout", \.bodyTimeout), ("runTimeMax", \.runTimeMax),
        ("firstEventTimeout", \.firstEventTimeout), ("backendSilence", \.backendSilence),
        ("stallTimeout", \.stallTimeout), ("settleTimeout", \.settleTimeout),
        ("reassureAfter", \.reassureAfter),
        ("replayFor", \.replayFor),
    ])

extension ConfigurationKey {
    static let all: [ConfigurationKey] =
        keys(of: nodeKeys, "", \.self)
        + keys(of: transportKeys, "transport.", \.transport)
        + keys(of: endpointKeys, "transport.endpoint.", \.transport.endpoint)
        + keys(of: kademliaKeys, "kademlia.", \.kademlia)
        + keys(of: exchangeKeys, "exchange.", \.exchange)
        + keys(of: gossipKeys, "gossip.", \.gossip)
        + keys(of: membershipKeys, "gossip.membership.", \.gossip.membership)
        + keys(of: failureKeys, "gossip.failure.", \.gossip.failure)
        + keys(of: vivaldiKeys, "gossip.coordinates.", \.gossip.coordinates)
        + keys(of: announcementKeys, "gossip.announcements.", \.gossip.announcements)
        + keys(of: topicsKeys, "gossip.topics.", \.gossip.topics)
        + keys(of: plumtreeKeys, "gossip.topics.tree.", \.gossip.topics.tree)
        + keys(of: membershipKeys, "gossip.topics.membership.", \.gossip.topics.membership)
        + keys(of: inferenceKeys, "inference.", \.inference)

    private static func keys<Part>(
        of keys: Keys<Part>, _ prefix: String,
        _ part: any WritableKeyPath<Configuration, Part> & Sendable
    ) -> [ConfigurationKey] {
        keys.ints.map { name, path in
            ConfigurationKey(name: prefix + name) { configuration, field throws(ScenarioFault) in
                configuration[keyPath: part][keyPath: path] = try field.int(0...Self.most)
            }
        }
            + keys.longs.map { name, path in
                ConfigurationKey(name: prefix + name) {
                    configuration, field throws(ScenarioFault) in
                    configuration[keyPath: part][keyPath: path] = Int64(
                        try field.int(0...Self.most))
                }
            }
            + keys.counts.map { name, path in
                ConfigurationKey(name: prefix + name) {
                    configuration, field throws(ScenarioFault) in
                    configuration[keyPath: part][keyPath: path] = UInt64(
                        try field.int(0...Self.most))
                }
            }
            + keys.spans.map { name, path in
                ConfigurationKey(name: prefix + name) {
                    configuration, field throws(ScenarioFault) in
                    configuration[keyPath: part][keyPath: path] = try field.duration()
                }
            }
            + keys.flags.map { name, path in
                ConfigurationKey(name: prefix + name) {
                    configuration, field throws(ScenarioFault) in
                    configuration[keyPath: part][keyPath: path] = try field.flag()
                }
            }
            + keys.shares.map { name, path in
                ConfigurationKey(name: prefix + name) {
                    configuration, field throws(ScenarioFault) in
                    configuration[keyPath: part][keyPath: path] = try field.float()
                }
            }
    }

    /// No count of the node is larger. It holds more bytes than there are.
    private static var most: Int { 1 << 40 }
}
