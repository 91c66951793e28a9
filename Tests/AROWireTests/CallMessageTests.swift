import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

private func identity(_ n: UInt64) -> Identity {
    var entropy = Entropy(seed: Bits256(n, 0, 0, 1))
    return Identity(from: &entropy)
}

private let cid = CID(codec: .raw, hash: Multihash(function: .sha256, digest: .init(1, 2, 3, 4)))
private let time = UnixTime(seconds: 1_800_000_000)

private func head(_ contexts: Int = 0) -> CallHead {
    CallHead(
        key: CallKey(high: 1, low: 2), requestHash: Bits256(5, 6, 7, 8), endpoint: .responses,
        isStreamed: true, deadlineMilliseconds: 60_000, credit: 1 << 18,
        priceMax: TokenPrice(input: 3, output: 1 << 40), bodyByteCount: 70_000,
        model: "SmolLM2-135M-Instruct", context: Array(repeating: cid, count: contexts))
}

private func receipt(_ provider: borrowing Identity, _ caller: PeerID) -> Receipt {
    Receipt(
        Receipt.Statement(
            key: CallKey(high: 9, low: 8), caller: caller, provider: provider.id,
            endpoint: .chatCompletions, outcome: .complete, model: "m",
            requestHash: Bits256(1, 1, 1, 1), responseHash: Bits256(2, 2, 2, 2), eventCount: 100,
            responseByteCount: 20_000, usage: TokenUsage(input: 70, output: 99), price: 12_345,
            started: time, ended: time + .seconds(9)),
        signedBy: provider)
}

private func callerMessages() -> [CallerMessage] {
    let caller = identity(1).id
    let other = identity(2)
    let signature = other.sign([1, 2, 3])
    let voucher = Voucher(
        to: caller, amount: 1 << 50, sequence: 7, issued: time, signedBy: other)
    return [
        .call(head()), .call(head(CallLimits.contextMax)), .body([1]),
        .body([UInt8](repeating: 7, count: CallLimits.bodyPartMax)), .cancel,
        .countersigned(signature, nil), .countersigned(signature, voucher), .credit(0),
        .credit(1 << 40),
    ]
}

private func providerMessages() -> [ProviderMessage] {
    let provider = identity(1)
    let caller = identity(2).id
    var output = OutputDigest()
    output.add([1, 2, 3])
    let subject = OutputCheckpoint.Subject(
        provider: provider.id, caller: caller, key: CallKey(high: 1, low: 1), requestHash: .zero)
    let receipt = receipt(provider, caller)
    return [
        .accepted(position: 0, firstEventMilliseconds: 0, price: .free),
        .accepted(
            position: CallLimits.positionMax, firstEventMilliseconds: CallLimits.millisecondsMax,
            price: TokenPrice(input: 1, output: 1 << 50)),
        .refused(.busy, retryAfterMilliseconds: 1_500, text: ""),
        .refused(.price, retryAfterMilliseconds: 0, text: "zu teuer: 7 € für alle"),
        .event([1]), .event([UInt8](repeating: 3, count: CallLimits.eventByteCountMax)),
        .checkpoint(OutputCheckpoint(of: output, subject, signedBy: provider)),
        .finished(receipt), .failed(.backend, text: "no GPU", nil),
        .failed(.cancelled, text: "", receipt),
    ]
}

/// Reads messages from bytes that arrive in pieces of a size.
private func readCaller(
    _ bytes: [UInt8], by piece: Int
) throws(DecodingFailure) -> (all: [CallerMessage], isBetween: Bool) {
    var decoder = CallerMessageDecoder()
    var all: [CallerMessage] = []
    for start in stride(from: 0, to: bytes.count, by: piece) {
        let part = Array(bytes[start..<min(start + piece, bytes.count)])
        var reader = ByteReader(part.span.bytes)
        while let message = try decoder.next(&reader) { all.append(message) }
    }
    return (all, decoder.isBetweenFrames)
}

private func readProvider(
    _ bytes: [UInt8], by piece: Int
) throws(DecodingFailure) -> (all: [ProviderMessage], isBetween: Bool) {
    var decoder = ProviderMessageDecoder()
    var all: [ProviderMessage] = []
    for start in stride(from: 0, to: bytes.count, by: piece) {
        let part = Array(bytes[start..<min(start + piece, bytes.count)])
        var reader = ByteReader(part.span.bytes)
        while let message = try decoder.next(&reader) { all.append(message) }
    }
    return (all, decoder.isBetweenFrames)
}

@Suite("Frames of a call")
struct CallMessageTests {
    @Test("Are read back as they were written, in any pieces", arguments: [1, 7, 1_000, .max / 2])
    func roundTrip(piece: Int) throws {
        let calls = callerMessages().reduce(into: [UInt8]()) { $0.append($1) }
        let read = try readCaller(calls, by: piece)
        #expect(read.all == callerMessages() && read.isBetween)
        let answers = providerMessages().reduce(into: [UInt8]()) { $0.append($1) }
        let answered = try readProvider(answers, by: piece)
        #expect(answered.all == providerMessages() && answered.isBetween)
    }

    @Test("Cut short are not whole")
    func truncated() throws {
        for message in callerMessages() {
            var bytes: [UInt8] = []
            bytes.append(message)
            let read = try readCaller(Array(bytes.dropLast()), by: .max / 2)
            #expect(read.all.isEmpty && !read.isBetween)
        }
        for message in providerMessages() {
            var bytes: [UInt8] = []
            bytes.append(message)
            let read = try readProvider(Array(bytes.dropLast()), by: .max / 2)
            #expect(read.all.isEmpty && !read.isBetween)
        }
    }

    @Test("Of the other side, or of no type, are refused")
    func wrongSide() {
        var bytes: [UInt8] = []
        bytes.append(ProviderMessage.event([1]))
        #expect(throws: DecodingFailure.unknown) { try readCaller(bytes, by: 100) }
        bytes = []
        bytes.append(CallerMessage.cancel)
        #expect(throws: DecodingFailure.unknown) { try readProvider(bytes, by: 100) }
        #expect(throws: DecodingFailure.unknown) { try readCaller([0x77, 0], by: 100) }
    }

    @Test("Longer than their bound are refused before they come")
    func tooLong() {
        for type: UInt8 in [0x01, 0x02, 0x03, 0x04, 0x05] {
            var bytes = [type]
            bytes.appendVarint(CallLimits.bodyPartMax + 1)
            #expect(throws: DecodingFailure.outOfBounds) { try readCaller(bytes, by: 100) }
        }
        for type: UInt8 in [0x81, 0x82, 0x83, 0x84, 0x85, 0x86] {
            var bytes = [type]
            bytes.appendVarint(CallLimits.eventByteCountMax + 1)
            #expect(throws: DecodingFailure.outOfBounds) { try readProvider(bytes, by: 100) }
            #expect(throws: DecodingFailure.outOfBounds) {
                try readProvider([type, 0xc0], by: 100)
            }
        }
    }

    @Test("With numbers out of their bounds are refused")
    func bounds() {
        var empty = head()
        empty.bodyByteCount = 1
        var bytes: [UInt8] = []
        bytes.append(CallerMessage.call(empty))
        // The deadline lies behind key, hash, endpoint and flags.
        let deadline = 3 + 16 + 32 + 2
        var none = bytes
        for i in 0..<4 { none[deadline + i] = 0 }
        #expect(throws: DecodingFailure.outOfBounds) { try readCaller(none, by: 1_000) }
        var long = bytes
        for i in 0..<4 { long[deadline + i] = 0xff }
        #expect(throws: DecodingFailure.outOfBounds) { try readCaller(long, by: 1_000) }
        var flags = bytes
        flags[deadline - 1] = 2
        #expect(throws: DecodingFailure.unknown) { try readCaller(flags, by: 1_000) }
    }

    @Test("Texts are cut at whole characters")
    func texts() throws {
        let text = String(repeating: "€", count: 1_000)
        var bytes: [UInt8] = []
        bytes.append(ProviderMessage.refused(.busy, retryAfterMilliseconds: 0, text: text))
        guard case .refused(_, _, let read) = try readProvider(bytes, by: 100).all[0] else {
            Issue.record("another message")
            return
        }
        #expect(read == String(repeating: "€", count: CallLimits.textByteCountMax / 3))
    }

    @Test("Random bytes never trap, and what is read has one form")
    func random() {
        var generator = Generator(seed: 20_261_123)
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(40)).map { _ in UInt8(generator.below(256)) }
            if !bytes.isEmpty { bytes[0] = bytes[0] & 0x87 }
            if let (all, isBetween) = try? readCaller(bytes, by: 1_000), isBetween {
                #expect(all.reduce(into: [UInt8]()) { $0.append($1) } == bytes)
            }
            if let (all, isBetween) = try? readProvider(bytes, by: 1_000), isBetween {
                #expect(all.reduce(into: [UInt8]()) { $0.append($1) } == bytes)
            }
        }
    }
}

@Suite("Receipts, vouchers and checkpoints")
struct ReceiptTests {
    private func countersigned() -> Receipt {
        let (provider, caller) = (1 as UInt64, 2 as UInt64)
        let receipt = receipt(identity(provider), identity(caller).id)
        return receipt.countersigned(receipt.countersignature(of: identity(caller)))
    }

    @Test("A receipt altered in any bit fails: to decode, or to verify")
    func alteredReceipt() throws {
        let whole = countersigned()
        try whole.verify()
        let bytes = whole.bytes
        #expect(bytes.count <= Receipt.byteCountMax)
        #expect(try Receipt(bytes: bytes) == whole)
        for i in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[i] ^= 1 << bit
                guard let receipt = try? Receipt(bytes: altered) else { continue }
                #expect(throws: ReceiptFailure.self, "byte \(i), bit \(bit)") {
                    try receipt.verify()
                }
            }
        }
    }

    @Test("A receipt cut short, or with bytes behind it, is none")
    func cutReceipt() {
        let bytes = countersigned().bytes
        for count in 0..<bytes.count where count != bytes.count {
            #expect(throws: DecodingFailure.self) { try Receipt(bytes: Array(bytes[..<count])) }
        }
        #expect(throws: DecodingFailure.self) { try Receipt(bytes: bytes + [0]) }
    }

    @Test("A receipt that the caller has not signed verifies as the provider's")
    func uncountersigned() throws {
        let receipt = receipt(identity(1), identity(2).id)
        try receipt.verify()
        #expect(!receipt.isCountersigned)
        let forged = receipt.countersigned(identity(3).sign([1]))
        #expect(throws: ReceiptFailure.callerSignature) { try forged.verify() }
    }

    @Test("A voucher altered in any byte fails, and only a newer one of no less takes its place")
    func voucher() throws {
        let to = identity(2).id
        let from = identity(1)
        let voucher = Voucher(to: to, amount: 500, sequence: 3, issued: time, signedBy: from)
        try voucher.verify()
        let bytes = voucher.bytes
        #expect(bytes.count <= Voucher.byteCountMax)
        #expect(try Voucher(bytes: bytes) == voucher)
        for i in bytes.indices {
            var altered = bytes
            altered[i] ^= 1
            guard let other = try? Voucher(bytes: altered) else { continue }
            #expect(throws: RecordFailure.signature) { try other.verify() }
        }
        let next = Voucher(to: to, amount: 500, sequence: 4, issued: time, signedBy: from)
        let less = Voucher(to: to, amount: 499, sequence: 9, issued: time, signedBy: from)
        let answers = [
            next.supersedes(voucher), voucher.supersedes(next), voucher.supersedes(voucher),
            less.supersedes(voucher),
        ]
        #expect(answers == [true, false, false, false])
    }

    @Test("A checkpoint belongs to its call and its output alone")
    func checkpoint() {
        let provider = identity(1)
        let subject = OutputCheckpoint.Subject(
            provider: provider.id, caller: identity(2).id, key: CallKey(high: 1, low: 1),
            requestHash: .zero)
        var output = OutputDigest()
        output.add([1, 2, 3])
        let checkpoint = OutputCheckpoint(of: output, subject, signedBy: provider)
        var other = subject
        other.key = CallKey(high: 1, low: 2)
        let before = (checkpoint.matches(output), checkpoint.verifies(subject))
        output.add([4])
        let after = (checkpoint.matches(output), checkpoint.verifies(other))
        #expect(before == (true, true) && after == (false, false))
        // Where events end is part of the hash.
        var (one, two) = (OutputDigest(), OutputDigest())
        one.add([1, 2])
        two.add([1])
        two.add([2])
        #expect(one.hash != two.hash)
    }

    @Test("Costs round up, and stop where receipts do")
    func costs() {
        let price = TokenPrice(input: 1, output: 1_000_000)
        #expect(price.cost(of: TokenUsage(input: 1, output: 0)) == 1)
        #expect(price.cost(of: TokenUsage(input: 1_000_000, output: 3)) == 4)
        #expect(TokenPrice.free.cost(of: TokenUsage(input: .max, output: .max)) == 0)
        let most = TokenPrice(input: .max, output: .max)
        #expect(most.cost(of: TokenUsage(input: .max, output: .max)) == 1 << 62 - 1)
    }

    @Test("A request's hash tells endpoint, flag, model, context and body apart")
    func requestHash() {
        func hash(
            _ endpoint: CallEndpoint = .completions, _ isStreamed: Bool = false,
            _ model: String = "m", _ context: [CID] = [], _ body: [UInt8] = [1]
        ) -> Bits256 {
            CallDigest.request(
                endpoint: endpoint, isStreamed: isStreamed, model: model, context: context,
                body: body)
        }
        let all = [
            hash(), hash(.embeddings), hash(.completions, true),
            hash(.completions, false, "mm"), hash(.completions, false, "m", [cid]),
            hash(.completions, false, "m", [], [1, 2]),
        ]
        #expect(Set(all).count == all.count)
    }
}
