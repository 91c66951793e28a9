/// Writing and reading the bodies of ``CallerMessage`` and ``ProviderMessage``; CallDecoder.swift
/// takes the frames out of a stream.

import AROPrimitives
import AROCrypto

// MARK: - Writing

extension [UInt8] {
    /// A whole message. Its numbers must be within ``CallLimits``.
    public mutating func append(_ message: CallerMessage) {
        switch message {
        case .call(let head): appendFrame(.call, body: head.bytes)
        case .body(let part):
            precondition((1...CallLimits.bodyPartMax).contains(part.count))
            appendFrame(.body, body: part)
        case .cancel: appendFrame(.cancel, body: [])
        case .countersigned(let signature, let voucher):
            var body: [UInt8] = []
            body.append(signature)
            voucher?.append(to: &body)
            appendFrame(.countersigned, body: body)
        case .credit(let bytes):
            var body: [UInt8] = []
            body.appendVarint(bytes)
            appendFrame(.credit, body: body)
        }
    }

    /// A whole message. Its numbers must be within ``CallLimits``; texts are cut to their bound.
    public mutating func append(_ message: ProviderMessage) {
        switch message {
        case .accepted(let position, let milliseconds, let price):
            var body: [UInt8] = []
            body.appendVarint(Swift.min(position, CallLimits.positionMax))
            body.appendVarint(Swift.min(milliseconds, CallLimits.millisecondsMax))
            body.append(price)
            appendFrame(.accepted, body: body)
        case .refused(let reason, let milliseconds, let text):
            var body = [reason.rawValue]
            body.appendVarint(Swift.min(milliseconds, CallLimits.millisecondsMax))
            body += Self(bounded: text)
            appendFrame(.refused, body: body)
        case .event(let event):
            precondition((1...CallLimits.eventByteCountMax).contains(event.count))
            appendFrame(.event, body: event)
        case .checkpoint(let checkpoint):
            var body: [UInt8] = []
            checkpoint.append(to: &body)
            appendFrame(.checkpoint, body: body)
        case .finished(let receipt): appendFrame(.finished, body: receipt.bytes)
        case .failed(let fault, let text, let receipt):
            var body = [fault.rawValue]
            body.appendLengthPrefixed(Self(bounded: text))
            if let receipt { body += receipt.bytes }
            appendFrame(.failed, body: body)
        }
    }

    /// The frame of an event without its bytes, which follow as an array of their own, uncopied.
    public mutating func appendEventHeader(byteCount: Int) {
        precondition((1...CallLimits.eventByteCountMax).contains(byteCount))
        append(CallFrameType.event.rawValue)
        appendVarint(byteCount)
    }

    package mutating func append(_ price: TokenPrice) {
        appendVarint(Swift.min(price.input, OfferLimits.numberMax))
        appendVarint(Swift.min(price.output, OfferLimits.numberMax))
    }

    private mutating func appendFrame(_ type: CallFrameType, body: [UInt8]) {
        append(type.rawValue)
        appendLengthPrefixed(body)
    }

    /// The text's longest beginning of whole characters within the bound.
    private init(bounded text: String) {
        var text = text
        while text.utf8.count > CallLimits.textByteCountMax { text.removeLast() }
        self = Array(text.utf8)
    }
}

extension CallHead {
    var bytes: [UInt8] {
        precondition(context.count <= CallLimits.contextMax && deadlineMilliseconds > 0)
        precondition((1...CallLimits.bodyByteCountMax).contains(bodyByteCount))
        var out: [UInt8] = []
        out.append(key)
        out.appendBits256(requestHash)
        out.append(endpoint.rawValue)
        out.append(isStreamed ? 1 : 0)
        out.appendU32(deadlineMilliseconds)
        out.appendVarint(min(credit, OfferLimits.numberMax))
        out.append(priceMax)
        out.appendVarint(bodyByteCount)
        out.appendModelName(model)
        out.append(UInt8(context.count))
        for cid in context { out.append(cid) }
        return out
    }
}

// MARK: - Reading

extension CallHead {
    init(from reader: inout ByteReader) throws(DecodingFailure) {
        key = try reader.callKey()
        requestHash = try reader.bits256()
        guard let endpoint = CallEndpoint(rawValue: try reader.u8()) else { throw .unknown }
        self.endpoint = endpoint
        let flags = try reader.u8()
        guard flags <= 1 else { throw .unknown }
        isStreamed = flags == 1
        deadlineMilliseconds = try reader.u32()
        guard (1...CallLimits.millisecondsMax).contains(Int(deadlineMilliseconds)) else {
            throw .outOfBounds
        }
        credit = try reader.varint()
        priceMax = try reader.price()
        bodyByteCount = try reader.varint(atMost: CallLimits.bodyByteCountMax)
        guard bodyByteCount > 0 else { throw .outOfBounds }
        model = try reader.modelName()
        let count = Int(try reader.u8())
        guard count <= CallLimits.contextMax else { throw .outOfBounds }
        context = []
        for _ in 0..<count { context.append(try reader.cid()) }
    }
}

extension CallerMessage {
    init(_ type: CallFrameType, body: [UInt8]) throws(DecodingFailure) {
        var reader = ByteReader(body.span.bytes)
        switch type {
        case .call: self = .call(try CallHead(from: &reader))
        case .body:
            self = .body(body)
            return
        case .cancel: self = .cancel
        case .countersigned:
            let signature = try reader.signature()
            self = .countersigned(signature, reader.isAtEnd ? nil : try Voucher(from: &reader))
        case .credit: self = .credit(try reader.varint())
        default: throw .unknown
        }
        try reader.finish()
    }
}

extension ProviderMessage {
    init(_ type: CallFrameType, body: [UInt8]) throws(DecodingFailure) {
        var reader = ByteReader(body.span.bytes)
        switch type {
        case .accepted:
            self = .accepted(
                position: try reader.varint(atMost: CallLimits.positionMax),
                firstEventMilliseconds: try reader.varint(atMost: CallLimits.millisecondsMax),
                price: try reader.price())
        case .refused:
            guard let reason = CallRefusal(rawValue: try reader.u8()) else { throw .unknown }
            let milliseconds = try reader.varint(atMost: CallLimits.millisecondsMax)
            self = .refused(
                reason, retryAfterMilliseconds: milliseconds,
                text: try reader.reason(reader.remaining))
        case .event:
            self = .event(body)
            return
        case .checkpoint: self = .checkpoint(try OutputCheckpoint(from: &reader))
        case .finished: self = .finished(try Receipt(uncountersigned: &reader))
        case .failed:
            guard let fault = CallFault(rawValue: try reader.u8()) else { throw .unknown }
            let text = try reader.reason(try reader.varint(atMost: CallLimits.textByteCountMax))
            let receipt = reader.isAtEnd ? nil : try Receipt(uncountersigned: &reader)
            self = .failed(fault, text: text, receipt)
        default: throw .unknown
        }
        try reader.finish()
    }
}

extension Receipt {
    /// Reads a receipt that only the provider may have signed.
    fileprivate init(uncountersigned reader: inout ByteReader) throws(DecodingFailure) {
        self = try Receipt(from: &reader)
        guard callerSignature == nil else { throw .notCanonical }
    }
}

extension ByteReader {
    @_lifetime(self: copy self)
    fileprivate mutating func price() throws(DecodingFailure) -> TokenPrice {
        TokenPrice(input: try varint(), output: try varint())
    }

    @_lifetime(self: copy self)
    fileprivate mutating func reason(_ count: Int) throws(DecodingFailure) -> String {
        guard count <= CallLimits.textByteCountMax,
            let text = String(validating: try bytes(count), as: UTF8.self)
        else { throw .outOfBounds }
        return text
    }
}
