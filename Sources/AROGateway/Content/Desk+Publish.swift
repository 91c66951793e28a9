/// `POST /content`: publishes the body as a file, signed by the node and pinned.

import AROBackend
import ARORuntime
import HTTPTypes
import HummingbirdCore
import NIOCore

extension Desk {
    func publish(_ request: Request) async throws -> Response {
        let source = BodySource(
            request.body, pauseSeconds: limits.bodyPauseSeconds, byteCountMax: node.quota)
        let result: PutResult
        do {
            result = try await node.put(next: { try await source.next() })
        } catch {
            // What the body did wrong comes back wrapped as a broken stream.
            throw source.failure ?? error
        }
        let cid = "\(result.root)"
        var response = Response(json: Self.report(result), status: .created)
        response.headers[.location] = "/ipfs/\(cid)"
        return response
    }

    /// `held_by` of `wanted`: peers seen to keep the record that says who holds the content.
    static func report(_ result: PutResult) -> JSON {
        [
            "cid": .string("\(result.root)"), "bytes": JSON(result.byteCount),
            "held_by": JSON(result.announced?.held ?? 0),
            "wanted": JSON(result.announced?.wanted ?? 0),
        ]
    }
}

/// The pieces of a request's body as they come, for one reader.
private final class BodySource: @unchecked Sendable {
    private var pieces: RequestBody.AsyncIterator
    private let pauseSeconds: Int64
    private let byteCountMax: UInt64
    private var byteCount: UInt64 = 0
    private(set) var failure: GatewayError?

    init(_ body: RequestBody, pauseSeconds: Int64, byteCountMax: UInt64) {
        pieces = body.makeAsyncIterator()
        (self.pauseSeconds, self.byteCountMax) = (pauseSeconds, byteCountMax)
    }

    func next() async throws -> [UInt8]? {
        do {
            guard let piece = try await within(pauseSeconds, "the body stopped coming", nextPiece)
            else { return nil }
            byteCount += UInt64(piece.count)
            guard byteCount <= byteCountMax else {
                throw GatewayError(
                    .contentTooLarge, "body_too_large",
                    "at most \(byteCountMax) bytes are kept here", closes: true)
            }
            return piece
        } catch let error as GatewayError {
            failure = error
            throw error
        }
    }

    @Sendable private func nextPiece() async throws -> [UInt8]? {
        // Empty pieces say nothing, but an empty file has none at all.
        while let piece = try await pieces.next() {
            if piece.readableBytes > 0 { return Array(piece.readableBytesView) }
        }
        return nil
    }
}
