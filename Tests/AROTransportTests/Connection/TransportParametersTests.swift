/// Transport parameters: bounded, extensible, one encoding.

import AROPrimitives
import Testing

@testable import AROTransport

@Suite struct TransportParametersTests {
    private func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> TransportParameters {
        var reader = ByteReader(bytes.span.bytes)
        return try TransportParameters(reading: &reader)
    }

    private func parameter(_ id: UInt64, _ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendVarint(id)
        bytes.appendVarint(varintByteCount(value))
        bytes.appendVarint(value)
        return bytes
    }

    @Test("They come back as they were, in few bytes")
    func roundTrip() throws {
        var parameters = TransportParameters(TransportConfiguration())
        (parameters.datagramMax, parameters.ackDelay) = (9_000, .milliseconds(7))
        (parameters.idleTimeout, parameters.cipherSuites) = (.seconds(77), 6)
        parameters.servesDHT = true
        var bytes: [UInt8] = []
        parameters.encode(into: &bytes)
        #expect(bytes.count <= 64)
        #expect(try decode(bytes) == parameters)
    }

    @Test("Unknown ones are skipped, missing ones have the default")
    func unknown() throws {
        var bytes = parameter(3, 77)
        bytes += [40, 5, 1, 2, 3, 4, 5]
        let parameters = try decode(bytes)
        #expect(parameters.streamCredit == 77)
        #expect(parameters.idleTimeout == TransportParameters().idleTimeout)
        #expect(try decode([]) == TransportParameters())
    }

    @Test("Absurd values refuse the whole")
    func bounds() {
        #expect(throws: DecodingFailure.outOfBounds) { try decode(parameter(1, 1_231)) }
        #expect(throws: DecodingFailure.outOfBounds) { try decode(parameter(1, 65_528)) }
        #expect(throws: DecodingFailure.outOfBounds) { try decode(parameter(5, 1_000_001)) }
        #expect(throws: DecodingFailure.outOfBounds) { try decode(parameter(6, 999)) }
        #expect(throws: DecodingFailure.outOfBounds) { try decode(parameter(6, (1 << 62) - 1)) }
        #expect(throws: DecodingFailure.notCanonical) {
            try decode(parameter(4, 1) + parameter(3, 1))
        }
        #expect(throws: DecodingFailure.notCanonical) {
            try decode(parameter(4, 1) + parameter(4, 1))
        }
        #expect(throws: DecodingFailure.notCanonical) { try decode([4, 2, 1, 0]) }
        #expect(throws: DecodingFailure.outOfBounds) {
            try decode([UInt8](repeating: 9, count: 257))
        }
        let many: [UInt8] = (9..<40).flatMap { [UInt8($0), 0] as [UInt8] }
        #expect(throws: DecodingFailure.outOfBounds) { try decode(many) }
    }

    @Test("Cut or random bytes never trap", arguments: [1, 2] as [UInt64])
    func random(seed: UInt64) {
        var generator = Generator(seed: seed)
        var bytes: [UInt8] = []
        TransportParameters(TransportConfiguration()).encode(into: &bytes)
        for end in 0..<bytes.count { _ = try? decode(Array(bytes[..<end])) }
        for _ in 0..<2_000 {
            let noise = (0..<generator.below(40)).map { _ in
                UInt8(truncatingIfNeeded: generator.next() >> UInt64(generator.below(60)))
            }
            _ = try? decode(noise)
        }
    }
}
