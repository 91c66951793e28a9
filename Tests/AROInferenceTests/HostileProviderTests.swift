import AROCrypto
import AROPrimitives
import AROWire
import Testing

@testable import AROInference

private let one = CallID(number: 1)

/// A provider by hand: accepts, puts out what it is given, and ends with a receipt that was tampered
/// with before it was signed.
private func provider(
    _ n: Int, events: [[UInt8]], _ tamper: @escaping (inout Receipt.Statement) -> Void = { _ in },
    _ alter: @escaping (inout [UInt8]) -> Void = { _ in }
) -> (_ received: [CallerMessage]) -> [[UInt8]] {
    var entropy = Entropy(seed: Bits256(UInt64(n), 77, 0, 0))
    let seed = entropy.bytes(32)
    var head: CallHead?
    return { messages in
        var answers: [[UInt8]] = []
        func say(_ message: ProviderMessage) {
            var bytes: [UInt8] = []
            bytes.append(message)
            alter(&bytes)
            answers.append(bytes)
        }
        for message in messages {
            switch message {
            case .call(let asked):
                head = asked
                say(.accepted(position: 0, firstEventMilliseconds: 10, price: .free))
            case .body:
                guard let head else { continue }
                let identity = Identity(seed: SecretKey(copying: seed))
                var digest = OutputDigest()
                for event in events {
                    digest.add(event)
                    say(.event(event))
                }
                var statement = Receipt.Statement(
                    key: head.key, caller: TestNode(0, InferenceConfiguration()).id,
                    provider: identity.id, endpoint: head.endpoint, outcome: .complete,
                    model: head.model, requestHash: head.requestHash, responseHash: digest.hash,
                    eventCount: digest.eventCount, responseByteCount: digest.byteCount,
                    usage: TokenUsage(input: 1, output: 1), price: 0,
                    started: UnixTime(seconds: 1_800_000_000),
                    ended: UnixTime(seconds: 1_800_000_000))
                tamper(&statement)
                say(.finished(Receipt(statement, signedBy: identity)))
            default: break
            }
        }
        return answers
    }
}

@Suite("A hostile provider")
struct HostileProviderTests {
    private func world(
        _ rogue: @escaping ([CallerMessage]) -> [[UInt8]]
    ) -> CallWorld {
        let world = CallWorld(2)
        world.nodes[1].offers = [ModelOffer(name: "m", slotsFree: 1, slots: 1)]
        world.nodes[1].rogue = rogue
        world.call(0, .sample())
        world.finish(0, within: .minutes(20))
        return world
    }

    @Test("That does as it should is paid attention: the others below differ in one thing each")
    func honest() throws {
        let world = world(provider(1, events: [[1, 2, 3], [4]]))
        #expect(world.nodes[0].text(of: one) == [1, 2, 3, 4])
        try #require(world.nodes[0].outcome(of: one)).receipt.verify()
    }

    private static let tampers: [(ReceiptFault, @Sendable (inout Receipt.Statement) -> Void)] = [
        (.subject, { $0.key = CallKey(high: 4, low: 4) }),
        (.subject, { $0.caller = $0.provider }),
        (.subject, { $0.model = "another" }),
        (.subject, { $0.requestHash = .zero }),
        (.subject, { $0.endpoint = .embeddings }),
        (.response, { $0.responseHash = .zero }),
        (.response, { $0.eventCount += 1 }),
        (.response, { $0.responseByteCount -= 1 }),
        (.response, { $0.outcome = .cut }),
        (.usage, { $0.usage.output = 1_000_000 }),
        (.usage, { $0.usage.input = 1_000_000 }),
        (.price, { $0.price = 1 }),
        (.dates, { $0.ended = UnixTime(seconds: 1_900_000_000) }),
        (.dates, { $0.started = UnixTime(seconds: 1_000) }),
    ]

    @Test("That lies in its receipt is named, and not paid", arguments: tampers.indices)
    func wrongReceipt(_ i: Int) {
        let (fault, tamper) = Self.tampers[i]
        let world = world(provider(1, events: [[1, 2, 3], [4]], tamper))
        #expect(
            world.nodes[0].failure(of: one)
                == .wrongReceipt(provider: world.nodes[1].id, fault))
        #expect(world.nodes[0].receipts.isEmpty && world.nodes[0].vouchers.isEmpty)
        #expect(world.nodes[0].misbehaved == [.wrongReceipt(fault)])
        #expect(world.nodes[0].inference.balances.first?.callsUnsettled == 1)
    }

    @Test("That flips a bit of its receipt's signature is named")
    func signature() {
        let world = world(
            provider(1, events: [[1, 2, 3]]) { _ in
            } _: { bytes in
                // Behind the signature is one byte: not countersigned.
                if bytes[0] == 0x85 { bytes[bytes.count - 2] ^= 1 }
            })
        #expect(
            world.nodes[0].failure(of: one)
                == .wrongReceipt(provider: world.nodes[1].id, .signature))
    }

    @Test("That sends without end is cut off where the reader's allowance ends")
    func endless() {
        let event = [UInt8](repeating: 7, count: CallLimits.eventByteCountMax)
        let world = CallWorld(2)
        world.nodes[1].offers = [ModelOffer(name: "m", slotsFree: 1, slots: 1)]
        world.nodes[1].rogue = provider(1, events: Array(repeating: event, count: 100))
        world.nodes[0].takes = false
        world.call(0, .sample())
        world.finish(0)
        #expect(world.nodes[0].misbehaved == [.beyondCredit])
        let most = InferenceConfiguration().outputAhead + CallLimits.eventByteCountMax
        #expect(world.nodes[0].text(of: one).count <= most)
        #expect(world.nodes[0].interruptions.first?.reason == .violation(.beyondCredit))
    }

    @Test("That speaks garbage is left, seeds 1 to 50", arguments: 1...50)
    func garbage(_ seed: UInt64) {
        var generator = Generator(seed: seed)
        let world = world { messages in
            messages.isEmpty
                ? [] : [(0..<200).map { _ in UInt8(truncatingIfNeeded: generator.next()) }]
        }
        guard case .noProviderLeft(1, _)? = world.nodes[0].failure(of: one) else {
            Issue.record("seed \(seed): \(String(describing: world.nodes[0].events[one]))")
            return
        }
    }

    @Test("That puts out before it accepts, or accepts above the ceiling, is left")
    func outOfTurn() {
        let answers: [ProviderMessage] = [
            .event([1]),
            .accepted(
                position: 0, firstEventMilliseconds: 0, price: TokenPrice(input: 1, output: 0)),
        ]
        for answer in answers {
            let world = world { messages in
                var bytes: [UInt8] = []
                bytes.append(answer)
                return messages.isEmpty ? [] : [bytes]
            }
            #expect(world.nodes[0].misbehaved == [.outOfTurn])
        }
    }

    @Test("That signs a checkpoint of something else is left")
    func checkpoint() {
        var entropy = Entropy(seed: Bits256(1, 77, 0, 0))
        let identity = Identity(from: &entropy)
        let wrong = OutputCheckpoint(
            of: OutputDigest(),
            OutputCheckpoint.Subject(
                provider: identity.id, caller: identity.id, key: CallKey(high: 0, low: 1),
                requestHash: .zero), signedBy: identity)
        let world = world { messages in
            guard messages.contains(where: { if case .call = $0 { true } else { false } }) else {
                return []
            }
            var bytes: [UInt8] = []
            bytes.append(.accepted(position: 0, firstEventMilliseconds: 0, price: .free))
            bytes.append(.event([1]))
            bytes.append(.checkpoint(wrong))
            return [bytes]
        }
        #expect(world.nodes[0].misbehaved == [.wrongCheckpoint])
        #expect(world.nodes[0].interruptions.first?.reason == .violation(.wrongCheckpoint))
    }

    @Test("That answers nothing at all is given up")
    func silent() {
        let world = world { _ in [] }
        #expect(world.nodes[0].failure(of: one) == .noProviderLeft(tried: 1, .silent))
        #expect(world.now - .origin <= .seconds(6))
    }
}
