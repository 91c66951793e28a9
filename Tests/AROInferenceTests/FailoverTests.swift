import AROPrimitives
import AROWire
import Testing

@testable import AROInference

private let one = CallID(number: 1)

@Suite("When a provider fails")
struct FailoverTests {
    /// A caller and so many providers.
    private func world(
        _ providers: Int, _ change: (inout InferenceConfiguration) -> Void = { _ in }
    ) -> CallWorld {
        let world = CallWorld(providers + 1, change)
        for n in 1...providers { world.serve(n, ServedModel(name: "m")) }
        return world
    }

    /// Who puts out to the caller.
    private func active(_ world: CallWorld) -> Int? {
        world.nodes.indices.first { !world.nodes[$0].server.jobs.isEmpty }
    }

    @Test("Before the first event, another takes over unseen", arguments: 0..<10)
    func deathBeforeFirst(_ key: Int) throws {
        let world = world(3)
        for n in 1...3 { world.nodes[n].server.firstEvent = .seconds(2) }
        world.call(0, .sample(UInt64(key)))
        world.run(for: .milliseconds(300))
        world.kill(try #require(active(world)))
        world.finish(0)
        #expect(world.nodes[0].text(of: one) == output(0..<10))
        #expect(world.nodes[0].outcome(of: one) != nil)
        #expect(world.nodes[0].interruptions.isEmpty)
    }

    @Test("That dies and is not noticed, the call is hedged and comes to its end")
    func unnoticed() throws {
        let world = world(3)
        for n in 1...3 { world.nodes[n].server.firstEvent = .milliseconds(200) }
        world.call(0, .sample())
        world.run(for: .milliseconds(60))
        world.kill(try #require(active(world)), noticedAfter: .hours(1))
        world.finish(0)
        #expect(world.nodes[0].outcome(of: one) != nil)
        #expect(world.now - .origin < .seconds(10))
        #expect(world.nodes[0].inference.counters.hedges == 1)
    }

    @Test("After the first event, the user is asked, and another goes on with what it says")
    func resumed() throws {
        let world = world(2)
        world.call(0, .sample())
        world.run(until: .origin + .seconds(5)) { world.nodes[0].text(of: one).count >= 100 }
        let said = world.nodes[0].text(of: one).count
        let gone = try #require(active(world))
        world.kill(gone)
        world.run(until: world.now + .seconds(5)) { !world.nodes[0].interruptions.isEmpty }
        let interruption = try #require(world.nodes[0].interruptions.first)
        #expect(interruption.provider == world.nodes[gone].id)
        #expect(interruption.byteCount >= UInt64(said))
        #expect(interruption.providersLeft == 1)
        world.resume(0, Array("hello, and what was said".utf8))
        world.finish(0)
        let outcome = try #require(world.nodes[0].outcome(of: one))
        #expect(outcome.resumptions == 1)
        #expect(outcome.provider != world.nodes[gone].id)
        #expect(outcome.receipt.statement.key == CallKey(high: 0, low: 1).resumed(1))
        let balance = world.nodes[0].inference.balances.first {
            $0.peer == world.nodes[gone].id
        }
        #expect(balance?.callsUnsettled == 1)
    }

    @Test("In the middle, and nobody else is there to go on, the reason is why it was lost")
    func nobodyLeft() throws {
        let world = world(1)
        world.call(0, .sample())
        world.run(until: .origin + .seconds(5)) { world.nodes[0].text(of: one).count >= 100 }
        world.kill(1)
        world.run(until: world.now + .seconds(5)) { !world.nodes[0].interruptions.isEmpty }
        let interruption = try #require(world.nodes[0].interruptions.first)
        world.resume(0, Array("hello, and what was said".utf8))
        world.finish(0)
        #expect(
            world.nodes[0].failure(of: one)
                == .interrupted(provider: world.nodes[1].id, interruption.reason))
    }

    @Test("In the middle, and the user says nothing, the call fails with the reason")
    func notResumed() throws {
        let world = world(1)
        world.nodes[1].server.failure = .unavailable("out of memory")
        world.nodes[1].server.failsAt = 5
        world.call(0, .sample())
        world.finish(0)
        #expect(
            world.nodes[0].failure(of: one)
                == .interrupted(
                    provider: world.nodes[1].id, .failed(.backend, text: "out of memory")))
        #expect(world.nodes[0].interruptions.count == 1)
        #expect(world.nodes[0].text(of: one) == output(0..<5))
    }

    @Test("All of them, the call says how many were asked, and why the last one did not answer")
    func all() {
        let world = world(5)
        for n in 1...5 { world.nodes[n].server.failure = .unavailable("no GPU") }
        world.call(0, .sample())
        world.finish(0)
        #expect(
            world.nodes[0].failure(of: one)
                == .noProviderLeft(tried: 5, .failed(.backend, text: "no GPU")))
    }

    @Test("By forgetting the session, it is asked again over a new one, once")
    func staleSession() {
        let world = world(1)
        world.resetsNext = 1
        world.call(0, .sample(1), 1)
        world.finish(0, 1)
        #expect(world.nodes[0].outcome(of: one) != nil)
        world.resetsNext = 2
        world.call(0, .sample(2), 2)
        world.finish(0, 2)
        #expect(
            world.nodes[0].failure(of: CallID(number: 2))
                == .noProviderLeft(tried: 1, .hungUp))
    }

    @Test("Often, it is asked less than others")
    func conduct() {
        let world = world(2)
        world.nodes[1].server.failure = .unavailable("no GPU")
        for i in 1...20 {
            world.call(0, .sample(UInt64(i)), UInt64(i))
            world.finish(0, UInt64(i))
            #expect(world.nodes[0].outcome(of: CallID(number: UInt64(i))) != nil)
        }
        #expect(world.nodes[1].server.started.count <= 5)
    }

    @Test("Because its model is busy, the other is taken at once")
    func busy() {
        let world = CallWorld(4)
        world.serve(2, ServedModel(name: "m", slots: 1, queueMax: 0))
        world.serve(3, ServedModel(name: "m", slots: 1, queueMax: 0))
        world.nodes[2].server.eventCount = 10_000
        world.nodes[3].server.eventCount = 10_000
        world.call(0, .sample(1))
        world.run(for: .milliseconds(200))
        world.call(1, .sample(2))
        world.run(for: .milliseconds(400))
        #expect(world.nodes[2].server.jobs.count == 1 && world.nodes[3].server.jobs.count == 1)
    }

    @Test("Whose queue is long, the body goes to the other that was asked")
    func switches() {
        let world = CallWorld(4)
        for n in 2...3 { world.serve(n, ServedModel(name: "m", slots: 1, queueMax: 8)) }
        for n in 2...3 { world.nodes[n].server.eventCount = 500 }
        // Whatever is drawn first, each provider gets one of two callers' calls.
        world.call(0, .sample(1))
        world.run(for: .milliseconds(100))
        world.call(1, .sample(2))
        world.run(for: .milliseconds(300))
        #expect(world.nodes[2].server.jobs.count == 1)
        #expect(world.nodes[3].server.jobs.count == 1)
    }

    @Test("By falling silent in the middle, it is given up")
    func silentMiddle() {
        let world = world(1)
        world.nodes[1].server.eventCount = 1_000
        world.call(0, .sample())
        world.run(for: .milliseconds(300))
        world.kill(1, noticedAfter: .hours(1))
        world.finish(0)
        #expect(world.nodes[0].interruptions.first?.reason == .silent)
    }

    @Test("By falling silent before its answer begins, it is given up, and another is asked")
    func silentBeforeFirst() {
        let world = world(2) { $0.hedgeBurst = 0 }
        for n in 1...2 { world.nodes[n].server.firstEvent = .seconds(60) }
        world.call(0, .sample())
        world.run(for: .seconds(2))
        let gone = world.nodes[1].server.jobs.isEmpty ? 2 : 1
        world.kill(gone, noticedAfter: .hours(1))
        world.run(for: .seconds(8))
        #expect(!world.nodes[3 - gone].server.jobs.isEmpty)
    }

    @Test("Which is slow but there, it is waited for, before its answer and in the middle of it")
    func slow() {
        let world = world(1)
        world.nodes[1].server.firstEvent = .seconds(25)
        world.nodes[1].server.eventInterval = .seconds(12)
        world.nodes[1].server.eventCount = 4
        world.call(0, .sample())
        world.finish(0)
        #expect(world.nodes[0].outcome(of: one) != nil)
        #expect(world.nodes[0].interruptions.isEmpty)
    }

    @Test("A conversation stays with its provider while that is there")
    func sticky() {
        let world = world(6)
        var providers: Set<PeerID> = []
        for i in 1...12 {
            var request = CallRequest.sample(UInt64(i))
            request.conversation = Bits256(1, 2, 3, 4)
            world.call(0, request, UInt64(i))
            world.finish(0, UInt64(i))
            if let outcome = world.nodes[0].outcome(of: CallID(number: UInt64(i))) {
                providers.insert(outcome.provider)
            }
        }
        #expect(providers.count == 1)
        let used = world.nodes.firstIndex { providers.contains($0.id) }!
        world.kill(used)
        var request = CallRequest.sample(99)
        request.conversation = Bits256(1, 2, 3, 4)
        world.call(0, request, 99)
        world.finish(0, 99)
        #expect(world.nodes[0].outcome(of: CallID(number: 99)) != nil)
    }

    @Test("While it shuts down, it tells its callers and takes nobody")
    func shutDown() {
        let world = world(1)
        world.nodes[1].server.eventCount = 1_000
        world.call(0, .sample())
        world.run(for: .milliseconds(300))
        world.nodes[1].inference.shutDown(at: world.now)
        world.drain(1)
        world.run(for: .milliseconds(100))
        #expect(
            world.nodes[0].interruptions.first?.reason == .failed(.shuttingDown, text: ""))
        #expect(world.nodes[1].server.cancelled.count == 1)
        world.call(0, .sample(2), 2)
        world.finish(0, 2)
        #expect(world.nodes[0].failure(of: CallID(number: 2)) != nil)
    }
}
