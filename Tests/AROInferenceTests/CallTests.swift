import AROPrimitives
import AROWire
import Testing

@testable import AROInference

private let one = CallID(number: 1)

@Suite("A call")
struct CallTests {
    @Test("Brings the model's whole output and a receipt that both sides have signed")
    func whole() throws {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.call(0, .sample())
        world.finish(0)
        #expect(world.nodes[0].text(of: one) == output(0..<10))
        let outcome = try #require(world.nodes[0].outcome(of: one))
        #expect(outcome.receipt.isCountersigned && outcome.resumptions == 0)
        try outcome.receipt.verify()
        #expect(outcome.usage == TokenUsage(input: 7, output: 10))
        world.run(for: .seconds(1))
        #expect(world.nodes[1].receipts.last == outcome.receipt)
        #expect(world.nodes[0].receipts == [outcome.receipt])
        #expect(world.nodes[1].inference.counters.runsRunning == 0)
        #expect(world.nodes[0].misbehaved == [] && world.nodes[1].misbehaved == [])
    }

    @Test("Reaches a model that the node serves itself, and is the same to its user")
    func ourselves() throws {
        let world = CallWorld(1)
        world.serve(0, ServedModel(name: "m", price: TokenPrice(input: 5, output: 5)))
        world.call(0, .sample())
        world.finish(0)
        #expect(world.nodes[0].text(of: one) == output(0..<10))
        let receipt = try #require(world.nodes[0].outcome(of: one)).receipt
        try receipt.verify()
        #expect(receipt.statement.price == 0)
        world.run(for: .seconds(20))
        #expect(world.nodes[0].inference.balances == [])
        #expect(world.nodes[0].receipts.last == receipt)
    }

    @Test("Of a model that nobody offers fails with just that")
    func unknownModel() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "other"))
        world.call(0, .sample())
        #expect(world.nodes[0].failure(of: one) == .modelNotFound("m"))
    }

    @Test("Out of bounds fails at once")
    func bounds() {
        let world = CallWorld(1)
        var requests = [CallRequest](repeating: .sample(), count: 5)
        requests[0].body = []
        requests[1].model = ""
        requests[2].model = String(repeating: "m", count: 65)
        requests[3].deadline = .zero
        requests[4].deadline = .hours(25)
        for (i, request) in requests.enumerated() {
            world.call(0, request, UInt64(i))
            guard case .invalidRequest? = world.nodes[0].failure(of: CallID(number: UInt64(i)))
            else {
                Issue.record("request \(i) was taken")
                continue
            }
        }
    }

    @Test("With a body of many parts arrives whole")
    func largeBody() throws {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        var request = CallRequest.sample()
        request.body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        world.call(0, request)
        world.finish(0)
        #expect(world.nodes[0].outcome(of: one) != nil)
        #expect(world.nodes[1].server.started.first?.body == request.body)
    }

    @Test("Waits in the queue, hears its place, and runs when a slot is free")
    func queued() {
        let world = CallWorld(3)
        world.serve(2, ServedModel(name: "m", slots: 1))
        world.nodes[2].server.eventCount = 100
        world.call(0, .sample(1))
        world.run(for: .milliseconds(200))
        world.call(1, .sample(2))
        world.finish(1)
        let places = world.nodes[1].events[one]!.compactMap {
            if case .accepted(_, let position) = $0 { position } else { nil }
        }
        #expect(places == [1, 0])
        #expect(world.nodes[1].outcome(of: one) != nil)
        #expect(world.nodes[2].server.started.count == 2)
    }

    @Test("Is refused at once where the queue is full, and told when to come again")
    func full() {
        let world = CallWorld(4)
        world.serve(3, ServedModel(name: "m", slots: 1, queueMax: 1))
        world.nodes[3].server.eventCount = 1_000
        for n in 0..<3 {
            world.call(n, .sample(UInt64(n)))
            world.run(for: .milliseconds(200))
        }
        guard case .busy(let wait)? = world.nodes[2].failure(of: one) else {
            Issue.record("\(String(describing: world.nodes[2].events[one]))")
            return
        }
        #expect(wait >= .seconds(1))
        #expect(world.nodes[3].inference.counters.refusals > 0)
    }

    @Test("Whose caller hangs up stops the model server within a one-way trip")
    func hangUp() throws {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.nodes[1].server.eventCount = 10_000
        world.call(0, .sample())
        world.run(for: .milliseconds(500))
        let at = world.now
        world.cancel(0)
        world.run(for: .seconds(1))
        let stopped = try #require(world.nodes[1].server.cancelledAt)
        #expect(stopped - at <= .milliseconds(10))
        #expect(world.nodes[1].inference.counters.runsRunning == 0)
        // What was put out has a receipt, and no more comes.
        #expect(world.nodes[1].receipts.last?.statement.outcome == .cancelled)
        #expect(world.nodes[1].receipts.last?.isCountersigned == true)
    }

    @Test("Whose caller hangs up before its turn leaves the queue")
    func hangUpQueued() {
        let world = CallWorld(3)
        world.serve(2, ServedModel(name: "m", slots: 1))
        world.nodes[2].server.eventCount = 1_000
        world.call(0, .sample(1))
        world.run(for: .milliseconds(200))
        world.call(1, .sample(2))
        world.run(for: .milliseconds(200))
        #expect(world.nodes[2].inference.counters.runsQueued == 1)
        world.cancel(1)
        world.run(for: .milliseconds(200))
        #expect(world.nodes[2].inference.counters.runsQueued == 0)
        #expect(world.nodes[2].server.started.count == 1)
    }

    @Test("Ends at its deadline, whatever the model server does")
    func deadline() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.nodes[1].server.isSilent = true
        var request = CallRequest.sample()
        request.deadline = .seconds(3)
        world.call(0, request)
        world.finish(0)
        #expect(world.nodes[0].failure(of: one) == .deadline(.seconds(3)))
        #expect(world.now - .origin <= .milliseconds(3_100))
        world.run(for: .seconds(2))
        #expect(world.nodes[1].inference.counters.runsRunning == 0)
        #expect(world.nodes[1].server.cancelled.count == 1)
    }

    @Test("That the model server calls wrong is not tried elsewhere")
    func badRequest() {
        let world = CallWorld(4)
        for n in 1..<4 {
            world.serve(n, ServedModel(name: "m"))
            world.nodes[n].server.failure = .badRequest("no such role")
        }
        world.call(0, .sample())
        world.finish(0)
        guard case .rejected(_, "no such role")? = world.nodes[0].failure(of: one) else {
            Issue.record("\(String(describing: world.nodes[0].events[one]))")
            return
        }
        #expect((1..<4).reduce(0) { $0 + world.nodes[$1].server.started.count } == 1)
    }

    @Test("Of a slow reader slows the model server, and no memory grows")
    func backpressure() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.nodes[1].server.eventInterval = .microseconds(100)
        world.nodes[1].server.eventCount = 5_000
        world.nodes[1].server.eventByteCount = 1_000
        world.nodes[0].takes = false
        world.call(0, .sample())
        world.run(for: .seconds(30))
        let configuration = InferenceConfiguration()
        let told = world.nodes[1].server.jobs.values.first.map { $0.told * 1_000 } ?? 0
        #expect(told >= configuration.outputAhead)
        #expect(told <= configuration.outputAhead + configuration.backendAhead + 2_000)
        #expect(world.nodes[0].text(of: one).count <= configuration.outputAhead + 1_000)
        // It reads on, and gets all of it.
        world.nodes[0].takes = true
        world.consume(0, world.nodes[0].text(of: one).count)
        world.finish(0)
        #expect(world.nodes[0].text(of: one).count == 5_000_000)
        #expect(world.nodes[0].outcome(of: one) != nil)
    }

    @Test("With a large answer in few events arrives whole")
    func largeEvents() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.nodes[1].server.eventCount = 20
        world.nodes[1].server.eventByteCount = CallLimits.eventByteCountMax
        var request = CallRequest.sample()
        request.isStreamed = false
        world.call(0, request)
        world.finish(0)
        #expect(world.nodes[0].text(of: one).count == 20 * CallLimits.eventByteCountMax)
        #expect(world.nodes[0].outcome(of: one) != nil)
    }

    @Test("From a peer with many does not keep another from the model")
    func fairness() {
        let world = CallWorld(3)
        world.serve(2, ServedModel(name: "m", slots: 1, queueMax: 64))
        for i in 1...20 { world.call(0, .sample(UInt64(i)), UInt64(i)) }
        world.run(for: .milliseconds(100))
        world.call(1, .sample(99))
        world.finish(1)
        let done = world.nodes[0].events.values.count { $0.last?.isFinal ?? false }
        #expect(done <= 4, "\(done) calls of the other went first")
    }
}
