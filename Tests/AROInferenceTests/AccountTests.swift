import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROInference

private let one = CallID(number: 1)

@Suite("Keys, prices and accounts")
struct AccountTests {
    private let price = TokenPrice(input: 1_000_000, output: 2_000_000)

    private func pricedWorld(
        limit: UInt64, promise: UInt64
    ) -> CallWorld {
        let world = CallWorld(2) {
            $0.creditLimit = limit
            $0.promiseMax = promise
        }
        world.serve(1, ServedModel(name: "m", price: price))
        return world
    }

    private func priced(_ key: UInt64) -> CallRequest {
        var request = CallRequest.sample(key)
        request.priceMax = price
        return request
    }

    @Test("A key that was answered is answered again, without running or costing again")
    func replay() throws {
        let world = pricedWorld(limit: 1_000, promise: 1_000)
        for id: UInt64 in 1...3 {
            world.call(0, priced(7), id)
            world.finish(0, id)
            #expect(world.nodes[0].text(of: CallID(number: id)) == output(0..<10))
        }
        world.run(for: .seconds(1))
        #expect(world.nodes[1].server.started.count == 1)
        let receipts = (1...3).map { world.nodes[0].outcome(of: CallID(number: $0))?.receipt }
        #expect(receipts[0] != nil && receipts.allSatisfy { $0 == receipts[0] })
        #expect(world.nodes[0].inference.balances.first?.spent == 27)
        #expect(world.nodes[1].inference.balances.first?.earned == 27)
        #expect(world.nodes[1].inference.balances.first?.callsServed == 1)
    }

    @Test("A key under way is not run again: not here, and not by a second stream to the provider")
    func underWay() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m", slots: 2))
        world.nodes[1].server.eventCount = 50
        world.call(0, .sample(7), 1)
        world.call(0, .sample(7), 2)
        #expect(world.nodes[0].failure(of: CallID(number: 2)) == .keyInUse)
        world.run(for: .milliseconds(300))
        // The call comes again from the same peer, whose first stream still hangs.
        let caller = TestNode(0, InferenceConfiguration())
        let head = CallHead(
            key: CallKey(high: 0, low: 7),
            requestHash: CallDigest.request(
                endpoint: .chatCompletions, isStreamed: true, model: "m", context: [],
                body: Array("hello".utf8)),
            endpoint: .chatCompletions, isStreamed: true, deadlineMilliseconds: 60_000,
            credit: 1 << 20, priceMax: .free, bodyByteCount: 5, model: "m", context: [])
        let stream = world.nodes[1].inference.streamAccepted(
            from: world.peer(0), caller.id, room: 1 << 20, at: world.now)
        var bytes: [UInt8] = []
        bytes.append(.call(head))
        bytes.append(.body(Array("hello".utf8)))
        world.nodes[1].inference.streamReceived(
            stream, bytes.span.bytes, isFinished: false, at: world.now)
        world.drain(1)
        world.finish(0)
        world.run(for: .seconds(1))
        #expect(world.nodes[1].server.started.count == 1)
        #expect(world.nodes[0].outcome(of: one) != nil)
    }

    @Test("A key that stands for another request is refused")
    func keyReused() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.call(0, .sample(7), 1)
        world.finish(0)
        world.call(0, .sample(7, body: "something else"), 2)
        world.finish(0, 2)
        #expect(
            world.nodes[0].failure(of: CallID(number: 2))
                == .keySpent(provider: world.nodes[1].id, .keyReused))
    }

    @Test("A key that was answered in an earlier life does not run again")
    func restored() {
        let world = CallWorld(2)
        world.serve(1, ServedModel(name: "m"))
        world.call(0, .sample(7), 1)
        world.finish(0)
        let again = CallWorld(2)
        again.serve(1, ServedModel(name: "m"))
        again.nodes[1].inference.restore(
            Ledger(
                balances: world.nodes[1].inference.balances, served: world.nodes[1].receipts),
            at: again.now)
        again.call(0, .sample(7), 1)
        again.finish(0)
        #expect(
            again.nodes[0].failure(of: one)
                == .keySpent(provider: again.nodes[1].id, .alreadyAnswered))
        #expect(again.nodes[1].server.started.isEmpty)
    }

    @Test("Above its ceiling, nothing is called")
    func ceiling() {
        let world = pricedWorld(limit: 1_000, promise: 1_000)
        world.call(0, .sample(1), 1)
        world.finish(0)
        #expect(world.nodes[0].failure(of: one) == .tooExpensive)
        // A provider that was not heard to be dear is asked, and says so.
        world.nodes[1].offers[0].inputPrice = 0
        world.nodes[1].offers[0].outputPrice = 0
        world.call(0, .sample(2), 2)
        world.finish(0, 2)
        #expect(world.nodes[0].failure(of: CallID(number: 2)) == .tooExpensive)
        #expect(world.nodes[1].server.started.isEmpty)
    }

    @Test("Each call is promised by a voucher for all of them, and both sides' books agree")
    func vouchers() throws {
        let world = pricedWorld(limit: 30, promise: 1_000)
        for id: UInt64 in 1...5 {
            world.call(0, priced(id), id)
            world.finish(0, id)
            world.run(for: .milliseconds(100))
        }
        #expect(world.nodes[0].vouchers.map(\.amount) == [27, 54, 81, 108, 135])
        #expect(world.nodes[1].vouchers == world.nodes[0].vouchers)
        for voucher in world.nodes[1].vouchers { try voucher.verify() }
        let books = (world.nodes[0].inference.balances[0], world.nodes[1].inference.balances[0])
        #expect(books.0.spent == 135 && books.1.earned == 135 && books.1.claimed == 0)
        #expect(books.0.owedByUs == 0 && books.1.owedToUs == 0)
    }

    @Test("Who promises nothing is served up to the limit, and told why no further")
    func limit() {
        let world = pricedWorld(limit: 30, promise: 0)
        for id: UInt64 in 1...4 {
            world.call(0, priced(id), id)
            world.finish(0, id)
            world.run(for: .milliseconds(100))
        }
        #expect(world.nodes[0].outcome(of: CallID(number: 1)) != nil)
        // The second began below the limit and was cut when it came to it, with a word.
        #expect(
            world.nodes[0].interruptions.first?.reason == .failed(.credit, text: ""))
        for id: UInt64 in 3...4 {
            #expect(world.nodes[0].failure(of: CallID(number: id)) == .creditExhausted)
        }
        #expect(world.nodes[1].inference.balances[0].owedToUs <= 30 + 27)
    }

    @Test("Who goes without signing owes all the same")
    func unsigned() {
        let world = pricedWorld(limit: 30, promise: 1_000)
        world.nodes[1].server.eventCount = 10
        world.call(0, priced(1), 1)
        world.run(until: .origin + .seconds(5)) { world.nodes[0].text(of: one).count >= 160 }
        world.kill(0, noticedAfter: .seconds(30))
        world.run(for: .seconds(120))
        let balance = world.nodes[1].inference.balances[0]
        #expect(balance.claimed == 27 && balance.earned == 0 && balance.callsUnsigned == 1)
    }

    @Test("An older voucher, another's, and a forged one are refused")
    func oldVoucher() throws {
        var entropy = Entropy(seed: Bits256(1, 2, 3, 4))
        let caller = Identity(from: &entropy)
        let provider = Identity(from: &entropy)
        let time = UnixTime(seconds: 1_800_000_000)
        var accounts = Accounts(
            SharedConfiguration(InferenceConfiguration()), local: provider.id)
        /// Whether a receipt's answer with this voucher is taken.
        func pay(
            _ key: UInt64, _ voucher: Voucher?, _ caller: borrowing Identity,
            _ provider: borrowing Identity
        ) -> Bool {
            let receipt = Receipt(
                Receipt.Statement(
                    key: CallKey(high: 0, low: key), caller: caller.id, provider: provider.id,
                    endpoint: .completions, outcome: .complete, model: "m", requestHash: .zero,
                    responseHash: .zero, eventCount: 1, responseByteCount: 1,
                    usage: TokenUsage(output: 1), price: 10, started: time, ended: time),
                signedBy: provider)
            let signature = receipt.countersignature(of: caller)
            accounts.claimed(receipt)
            do {
                try accounts.countersigned(receipt, signature, voucher, isKnown: false)
                return true
            } catch { return false }
        }
        let first = Voucher(
            to: provider.id, amount: 10, sequence: 1, issued: time, signedBy: caller)
        let second = Voucher(
            to: provider.id, amount: 20, sequence: 2, issued: time, signedBy: caller)
        var taken = [
            pay(1, first, caller, provider), pay(2, second, caller, provider),
            // The newest again is no offence.
            pay(3, second, caller, provider), pay(4, first, caller, provider),
        ]
        let less = Voucher(
            to: provider.id, amount: 19, sequence: 3, issued: time, signedBy: caller)
        taken.append(pay(5, less, caller, provider))
        let others = Voucher(
            to: provider.id, amount: 99, sequence: 9, issued: time, signedBy: provider)
        taken.append(pay(6, others, caller, provider))
        var bytes = second.bytes
        bytes[66] ^= 1
        taken.append(pay(7, try Voucher(bytes: bytes), caller, provider))
        #expect(taken == [true, true, true, false, false, false, false])
        #expect(accounts.list[0].received == second)
    }
}
