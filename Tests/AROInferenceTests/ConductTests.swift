import AROPrimitives
import AROWire
import Testing

@testable import AROInference

/// Whom to ask is drawn from what was learned of each provider.
@Suite("What providers were like") struct ConductTests {
    private let now = Instant.origin + .seconds(100)

    private func candidate(_ n: UInt64, slotsFree: UInt16 = 1, queued: UInt16 = 0) -> CallCandidate
    {
        var offer = ModelOffer(name: "m", slotsFree: slotsFree, slots: 1)
        (offer.queued, offer.firstTokenMilliseconds) = (queued, 100)
        return CallCandidate(
            peer: PeerHandle(index: UInt32(n)), id: PeerID(key: Bits256(n, 0, 0, 0)), offer: offer,
            roundTrip: .milliseconds(20))
    }

    /// How many of a thousand guesses count a wait.
    private func busyGuesses(_ conduct: Conduct, _ candidate: CallCandidate) -> Int {
        var generator = Generator(seed: 1)
        return (0..<1_000).count { _ in
            conduct.guess(candidate, &generator, at: now) > .milliseconds(300)
        }
    }

    private func told(_ positions: [Int], by candidate: CallCandidate, _ conduct: inout Conduct) {
        for position in positions {
            conduct.answered(
                candidate.id, after: .milliseconds(20), position: position,
                firstEvent: position > 0 ? .milliseconds(2_100) : .milliseconds(100), at: now)
        }
    }

    @Test("who was busy is taken to be busy mostly, who was idle mostly not, and nobody always")
    func draws() {
        var conduct = Conduct(Shared(InferenceConfiguration()))
        let (busy, idle) = (candidate(1), candidate(2))
        told([0, 1, 2, 1, 1, 1, 1, 1], by: busy, &conduct)
        told([0, 0, 0, 0, 0, 0, 0, 0], by: idle, &conduct)
        #expect((550...970).contains(busyGuesses(conduct, busy)))
        #expect((10...250).contains(busyGuesses(conduct, idle)))
    }

    @Test("who was full once and idle since is forgiven")
    func recovers() {
        var conduct = Conduct(Shared(InferenceConfiguration()))
        let one = candidate(1)
        told([3, 3, 3, 3], by: one, &conduct)
        let before = busyGuesses(conduct, one)
        told([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], by: one, &conduct)
        #expect(busyGuesses(conduct, one) < before / 2)
    }

    @Test("a queue that is announced counts for nothing")
    func announced() {
        let conduct = Conduct(Shared(InferenceConfiguration()))
        let (full, free) = (candidate(1, slotsFree: 0, queued: 60), candidate(1))
        #expect(busyGuesses(conduct, full) == busyGuesses(conduct, free))
    }
}
