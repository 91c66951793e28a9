/// The chunks of one call as the client is to see them: one answer, whoever gave its parts. A provider that is
/// lost is replaced where the answer can go on; where it cannot, the call fails with a reason.

import AROBackend
import Foundation

/// Not for use by two tasks at once.
package final class ModelReply: @unchecked Sendable {
    private let query: ModelQuery
    private let call: any InferenceCall
    private let log: CallLog
    private let note: UInt64
    private let began = ContinuousClock.now

    package private(set) var completion: Completion
    /// Of the answer's first chunk; all others say the same.
    private var head: [String: JSON] = [:]
    /// Output chunks so far: about as many tokens.
    private var tokens: Int64 = 0
    private var resumptions = 0
    /// Why the next chunk comes from another provider.
    private var resumedAfter: String?
    private var isOver = false

    /// How often an answer is taken up by another provider. A guess: who loses more should know.
    private static let resumptionsMax = 3

    /// Begins the call.
    ///
    /// - Throws: ``InferenceFailure``.
    package init(_ query: ModelQuery, _ inference: any InferenceServing, _ log: CallLog)
        async throws
    {
        (self.query, self.log) = (query, log)
        completion = Completion(isChat: query.endpoint == .chatCompletions)
        note = log.begin(query.model, query.endpoint.rawValue, at: Date().timeIntervalSince1970)
        do { call = try await inference.call(query.request) } catch {
            log.update(note) { $0.outcome = .failed("\(error)") }
            throw error
        }
    }

    deinit {
        guard !isOver else { return }
        call.cancel()
        log.update(note) { $0.outcome = .cancelled }
    }

    /// The next chunk; nil after the last.
    package func chunk() async throws -> JSON? {
        while let bytes = try await output() {
            guard var chunk = try? JSON(bytes), completion.take(chunk) else { continue }
            tokens += 1
            for key in ["id", "created", "model", "object"] {
                if let first = head[key] { chunk[key] = first } else { head[key] = chunk[key] }
            }
            if let reason = resumedAfter {
                chunk["aro_resumed"] = .string(reason)
                resumedAfter = nil
            }
            return chunk
        }
        guard completion.isFinished else {
            throw fail(.interrupted("the answer ended without saying why"))
        }
        finish()
        return nil
    }

    /// All of an answer that is no stream.
    func whole(byteCountMax: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await output() {
            guard bytes.count + piece.count <= byteCountMax else {
                throw fail(.unavailable("the answer is longer than \(byteCountMax) bytes"))
            }
            bytes += piece
        }
        finish()
        return bytes
    }

    private func output() async throws -> [UInt8]? {
        do {
            while let event = try await call.next() {
                switch event {
                case .accepted(let provider, _): log.update(note) { $0.provider = provider }
                case .interrupted(let reason): try await resume(after: reason)
                case .output(let bytes):
                    noteFirst()
                    return bytes
                }
            }
            return nil
        } catch let failure as InferenceFailure {
            throw fail(failure)
        }
    }

    private func resume(after reason: String) async throws {
        guard resumptions < Self.resumptionsMax,
            let body = query.continued(from: completion, tokens: tokens)
        else { throw InferenceFailure.interrupted(reason) }
        resumptions += 1
        resumedAfter = reason
        log.update(note) { $0.resumed = self.resumptions }
        try await call.resume(with: body.bytes)
    }

    // MARK: The log

    private var seconds: Double {
        let span = (ContinuousClock.now - began).components
        return Double(span.seconds) + Double(span.attoseconds) / 1e18
    }

    private func noteFirst() {
        log.update(note) { note in
            if note.firstOutputSeconds == nil { note.firstOutputSeconds = self.seconds }
        }
    }

    private func fail(_ failure: InferenceFailure) -> InferenceFailure {
        isOver = true
        call.cancel()
        log.update(note) { note in
            note.outcome = .failed(failure.description)
            note.seconds = self.seconds
        }
        return failure
    }

    private func finish() {
        isOver = true
        log.update(note) { note in
            note.outcome = .finished
            note.seconds = self.seconds
            note.inputTokens = self.completion.usage?["prompt_tokens"]?.count
            note.outputTokens = self.completion.usage?["completion_tokens"]?.count
        }
    }
}
