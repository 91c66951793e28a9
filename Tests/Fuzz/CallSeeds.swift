/// Well-formed frames of calls.

import AROCrypto
import AROPrimitives
import AROWire

extension Seeds {
    static var receipt: Receipt {
        let identity = identity()
        let time = UnixTime(seconds: 1_800_000_000)
        let receipt = Receipt(
            Receipt.Statement(
                key: CallKey(high: 1, low: 2), caller: identity.id, provider: identity.id,
                endpoint: .completions, outcome: .complete, model: "m", requestHash: .zero,
                responseHash: .zero, eventCount: 3, responseByteCount: 70,
                usage: TokenUsage(input: 5, output: 6), price: 7, started: time, ended: time),
            signedBy: identity)
        return receipt.countersigned(receipt.countersignature(of: identity))
    }

    static var voucher: Voucher {
        let identity = identity()
        return Voucher(
            to: identity.id, amount: 5, sequence: 6, issued: UnixTime(seconds: 1_800_000_000),
            signedBy: identity)
    }

    static var callerMessages: [[UInt8]] {
        let head = CallHead(
            key: CallKey(high: 1, low: 2), requestHash: .zero, endpoint: .completions,
            isStreamed: true, deadlineMilliseconds: 1_000, credit: 1 << 18, priceMax: .free,
            bodyByteCount: 3, model: "m", context: [cid])
        let messages: [CallerMessage] = [
            .call(head), .body([1, 2, 3]), .credit(70_000), .cancel,
            .countersigned(receipt.providerSignature, voucher),
        ]
        return messages.map { message in
            var out: [UInt8] = [7]
            out.append(message)
            return out
        }
    }

    static var providerMessages: [[UInt8]] {
        let identity = identity()
        var output = OutputDigest()
        output.add([1])
        let checkpoint = OutputCheckpoint(
            of: output,
            OutputCheckpoint.Subject(
                provider: identity.id, caller: identity.id, key: CallKey(high: 1, low: 2),
                requestHash: .zero), signedBy: identity)
        let unsigned = Receipt(receipt.statement, signedBy: identity)
        let messages: [ProviderMessage] = [
            .accepted(position: 3, firstEventMilliseconds: 200, price: .free),
            .refused(.busy, retryAfterMilliseconds: 1_000, text: "full"), .event([1, 2]),
            .checkpoint(checkpoint), .finished(unsigned),
            .failed(.backend, text: "no", unsigned),
        ]
        return messages.map { message in
            var out: [UInt8] = [7]
            out.append(message)
            return out
        }
    }
}
