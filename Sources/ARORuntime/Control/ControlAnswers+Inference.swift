/// Models, calls, receipts and accounts over the control channel.

import AROCrypto
import AROInference
import ARONode
import AROPrimitives
import AROWire
import Foundation

extension ControlAnswers {
    func answerInference(_ command: ControlCommand, _ client: ControlClientEnd) async throws {
        switch command {
        case .models: try await models(client)
        case .call(let question): try await call(question, client)
        case .receipts(let key, let limit):
            for receipt in try await receipts(key, limit) {
                try await client.send(.receipt(ReceiptReport(receipt)))
            }
        case .accounts:
            for balance in try await node.accounts() {
                try await client.send(.account(AccountReport(balance)))
            }
        default: preconditionFailure("not inference's")
        }
    }

    private func models(_ client: ControlClientEnd) async throws {
        let members = Dictionary(
            try await node.members().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for row in try await node.models().flatMap(\.offers) {
            try await client.send(
                .offer(
                    OfferReport(
                        peer: "\(row.provider)", own: row.provider == node.id,
                        model: ModelReport(row.offer),
                        predictedMilliseconds: members[row.provider]?.predictedRoundTrip?
                            .milliseconds)))
        }
    }

    private func receipts(_ key: String?, _ limit: Int) async throws -> [Receipt] {
        guard let key else { return try await node.receipts(limit: max(0, limit)) }
        guard let key = CallKey(key) else {
            throw FailureReport(.usage, "'\(key)' is no key of a call")
        }
        return try await node.receipts(of: key)
    }
}

// MARK: - A call

extension ControlAnswers {
    /// The largest body of a request, as `CallRequest` has it.
    private static let bodyBytesMax = 16 << 20

    private func call(_ question: CallQuestion, _ client: ControlClientEnd) async throws {
        let request = try CallRequest(
            question, body: try await body(client), priceMax: node.priceMax)
        let call = node.call(request)
        for try await event in call {
            switch event {
            case .accepted(let provider, let position):
                var step = CallStep(.accepted)
                (step.provider, step.position) = ("\(provider)", position)
                try await client.send(.call(step))
            case .output(let bytes):
                var step = CallStep(.output)
                step.bytes = bytes.count
                try await client.send(.call(step))
                try await client.send(bytes: bytes)
            case .interrupted(let interruption):
                var step = CallStep(.interrupted)
                step.provider = "\(interruption.provider)"
                step.reason = "\(interruption.reason)"
                try await client.send(.call(step))
                call.resume(body: try await body(client))
            case .finished(let outcome):
                var step = CallStep(.finished)
                (step.provider, step.resumptions) = ("\(outcome.provider)", outcome.resumptions)
                step.receipt = ReceiptReport(outcome.receipt)
                try await client.send(.call(step))
            case .failed(let failure): throw failure
            }
        }
    }

    private func body(_ client: ControlClientEnd) async throws -> [UInt8] {
        var body: [UInt8] = []
        while let bytes = try await client.nextBytes() {
            guard body.count + bytes.count <= Self.bodyBytesMax else {
                throw FailureReport(.usage, "a request has at most \(Self.bodyBytesMax) bytes")
            }
            body += bytes
        }
        return body
    }
}

extension CallRequest {
    /// - Throws: a `FailureReport` for what makes no sense.
    init(_ question: CallQuestion, body: [UInt8], priceMax: TokenPrice) throws {
        guard let endpoint = CallEndpoint(rawValue: question.endpoint) else {
            throw FailureReport(.usage, "this node does not know that endpoint")
        }
        self.init(
            key: CallKey(hashing: question.key), model: question.model, endpoint: endpoint,
            isStreamed: question.isStreamed, body: body)
        context = try question.context.map { try CID($0) }
        guard question.deadlineSeconds > 0, question.deadlineSeconds <= 86_400 else {
            throw FailureReport(.usage, "a deadline is more than nothing and at most a day")
        }
        deadline = .nanoseconds(Int64(question.deadlineSeconds * 1e9))
        self.priceMax = TokenPrice(
            input: question.inputPriceMax ?? priceMax.input,
            output: question.outputPriceMax ?? priceMax.output)
        if let digits = question.conversation {
            conversation = Hex.decode(digits).flatMap { Bits256($0) }
            guard conversation != nil else {
                throw FailureReport(.usage, "a conversation is 64 hexadecimal digits")
            }
        }
        guard let provider = question.provider else { return }
        self.provider = PeerID(provider)
        guard self.provider != nil else {
            throw FailureReport(.usage, "'\(provider)' is no peer (bafzaa…)")
        }
    }
}

extension ReceiptReport {
    package init(_ receipt: Receipt) {
        let statement = receipt.statement
        self.init(
            key: "\(statement.key)", caller: "\(statement.caller)",
            provider: "\(statement.provider)", model: statement.model,
            endpoint: "\(statement.endpoint)", outcome: "\(statement.outcome)",
            request: Hex.encode(statement.requestHash.bytes),
            response: Hex.encode(statement.responseHash.bytes), events: statement.eventCount,
            bytes: statement.responseByteCount, inputTokens: statement.usage.input,
            outputTokens: statement.usage.output, price: statement.price,
            started: statement.started.seconds, ended: statement.ended.seconds,
            countersigned: receipt.isCountersigned,
            signed: Data(receipt.bytes).base64EncodedString())
    }
}

extension AccountReport {
    init(_ row: PeerBalance) {
        self.init(
            peer: "\(row.peer)", earned: row.earned, claimed: row.claimed,
            callsServed: row.callsServed, callsUnsigned: row.callsUnsigned,
            received: row.received?.amount ?? 0, owedToUs: row.owedToUs, spent: row.spent,
            callsMade: row.callsMade, callsUnsettled: row.callsUnsettled,
            given: row.given?.amount ?? 0, owedByUs: row.owedByUs)
    }
}
