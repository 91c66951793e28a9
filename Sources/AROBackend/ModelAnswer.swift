/// One question to a model server and its answer, event by event, at the pace of whoever reads it.

import AsyncHTTPClient
import NIOCore

/// What a model server is asked.
public struct ModelQuestion: Sendable {
    /// OpenAI's endpoints by their last path components.
    public enum Endpoint: String, Hashable, Sendable, CaseIterable {
        case chatCompletions = "chat/completions"
        case completions = "completions"
        case embeddings = "embeddings"
    }

    public var endpoint: Endpoint
    /// The JSON document.
    public var body: [UInt8]
    /// Whether the events are those of a stream, each whole; else they are pieces of one answer, to
    /// be joined.
    public var isStreamed: Bool
    /// How long the whole answer may take.
    public var timeLimit: Duration

    public init(
        endpoint: Endpoint, body: [UInt8], isStreamed: Bool,
        timeLimit: Duration = .seconds(600)
    ) {
        (self.endpoint, self.body) = (endpoint, body)
        (self.isStreamed, self.timeLimit) = (isStreamed, timeLimit)
    }
}

/// Tokens of a question and its answer, as the server counted them.
public struct TokenCount: Hashable, Sendable {
    public var input: UInt64
    public var output: UInt64

    init?(_ usage: JSON?) {
        guard let usage, !usage.isNull else { return nil }
        input = usage["prompt_tokens"]?.count ?? 0
        output = usage["completion_tokens"]?.count ?? 0
    }
}

/// The bounds of an answer.
public enum AnswerLimits {
    /// Bytes of one event, as a frame between nodes holds them.
    public static let eventBytesMax = 256 << 10
    /// Bytes of an answer that is given whole. A guess: the embeddings of a thousand texts.
    public static let wholeBytesMax = 64 << 20
    /// Bytes of a piece of it.
    public static let pieceBytesMax = 64 << 10
    /// Bytes of an error's document that are read.
    static let errorBytesMax = 64 << 10
}

extension ModelServer {
    /// Asks, and returns when the server has begun to answer.
    ///
    /// Cancel the task that waits, or drop the answer, to stop the server: the connection is closed
    /// at once.
    public func ask(_ question: ModelQuestion) async throws(ModelServerFailure) -> ModelAnswer {
        var request = request("\(address)/\(question.endpoint.rawValue)")
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        let (body, tellsUsage) = Self.streaming(question)
        request.body = .bytes(ByteBuffer(bytes: body))
        let limit = TimeAmount.nanoseconds(
            question.timeLimit.components.seconds * 1_000_000_000
                + question.timeLimit.components.attoseconds / 1_000_000_000)
        let response = try await send(request, within: limit)
        guard response.status == .ok else { throw await Self.refusal(response) }
        let type = response.headers.first(name: "content-type") ?? ""
        return ModelAnswer(
            response, question, isEvents: type.hasPrefix("text/event-stream"),
            tellsUsage: tellsUsage)
    }

    /// The body with `stream` set and usage asked for, and whether the client itself asked for it.
    /// Embeddings have no stream.
    private static func streaming(_ question: ModelQuestion) -> (body: [UInt8], Bool) {
        guard question.endpoint != .embeddings, var body = try? JSON(question.body) else {
            return (question.body, true)
        }
        let tellsUsage =
            !question.isStreamed || body["stream_options"]?["include_usage"]?.bool == true
        body["stream"] = true
        var options = body["stream_options"]?.object ?? [:]
        options["include_usage"] = true
        body["stream_options"] = .object(options)
        return (body.bytes, tellsUsage)
    }

    private static func refusal(_ response: HTTPClientResponse) async -> ModelServerFailure {
        let bytes = try? await response.body.collect(upTo: AnswerLimits.errorBytesMax)
        let document = bytes.flatMap { try? JSON($0.readableBytesView) }
        let words =
            document?["error"]?["message"]?.string ?? document?["error"]?.string
            ?? document?["message"]?.string ?? document?["detail"]?.string
            ?? response.status.reasonPhrase
        return .refused(status: Int(response.status.code), message: words)
    }
}

/// An answer on its way. Bytes are taken from the server only as ``next()`` is called. Not for use
/// by two tasks at once.
public final class ModelAnswer: @unchecked Sendable {
    private var body: HTTPClientResponse.Body.AsyncIterator
    private let isStreamed: Bool
    private let isEvents: Bool
    /// Whether a chunk that holds nothing but the usage is passed on.
    private let tellsUsage: Bool
    private var parser = EventStream(byteCountMax: AnswerLimits.eventBytesMax)
    private var events: ArraySlice<EventStream.Event> = []
    private var isOver = false
    /// Of an answer that is given whole.
    private var completion: Completion
    private var pieces: ArraySlice<UInt8>?
    private var byteCount = 0

    /// What the server counted, known at the end, if it told.
    public private(set) var usage: TokenCount?

    init(
        _ response: HTTPClientResponse, _ question: ModelQuestion, isEvents: Bool,
        tellsUsage: Bool
    ) {
        body = response.body.makeAsyncIterator()
        (isStreamed, self.isEvents, self.tellsUsage) = (question.isStreamed, isEvents, tellsUsage)
        completion = Completion(isChat: question.endpoint == .chatCompletions)
    }

    /// The next event, or piece of the answer; nil at its good end.
    public func next() async throws(ModelServerFailure) -> [UInt8]? {
        if isEvents { return isStreamed ? try await nextEvent() : try await nextPiece() }
        return try await nextOfDocument()
    }

    // MARK: A stream, passed on

    private func nextEvent() async throws(ModelServerFailure) -> [UInt8]? {
        while let (data, chunk) = try await nextChunk() {
            if let told = TokenCount(chunk["usage"]) {
                usage = told
                if !tellsUsage, chunk["choices"]?.array?.isEmpty == true { continue }
            }
            return data
        }
        return nil
    }

    /// The data of the next event and its document; nil after `[DONE]`.
    private func nextChunk() async throws(ModelServerFailure) -> ([UInt8], JSON)? {
        while !isOver {
            guard let event = events.popFirst() else {
                try await fill()
                continue
            }
            if event.data.elementsEqual("[DONE]".utf8) {
                isOver = true
                return nil
            }
            guard let chunk = try? JSON(event.data) else {
                throw .broken("an event is not valid JSON")
            }
            if let words = Self.error(in: chunk, event) { throw words }
            return (event.data, chunk)
        }
        return nil
    }

    private func fill() async throws(ModelServerFailure) {
        guard let bytes = try await receive() else {
            throw .broken("the stream ended before the answer did")
        }
        do throws(EventStream.Overflow) {
            events = try parser.take(bytes.readableBytesView)[...]
        } catch { throw .tooLong }
    }

    private static func error(in chunk: JSON, _ event: EventStream.Event) -> ModelServerFailure? {
        let error = chunk["error"] ?? (event.name == "error" ? chunk : nil)
        guard let error, !error.isNull else { return nil }
        let words = error["message"]?.string ?? error.string ?? error.text
        guard let status = error["code"]?.integer, (400..<500).contains(status) else {
            return .broken(words)
        }
        return .refused(status: Int(status), message: words)
    }

    // MARK: An answer, given whole

    private func nextPiece() async throws(ModelServerFailure) -> [UInt8]? {
        if pieces == nil {
            while let (data, chunk) = try await nextChunk() {
                byteCount += data.count
                guard byteCount <= AnswerLimits.wholeBytesMax else { throw .tooLong }
                completion.take(chunk)
            }
            usage = TokenCount(completion.usage)
            pieces = completion.answer.bytes[...]
        }
        guard let left = pieces, !left.isEmpty else { return nil }
        pieces = left.dropFirst(AnswerLimits.pieceBytesMax)
        return Array(left.prefix(AnswerLimits.pieceBytesMax))
    }

    /// Of a server that did not stream: embeddings, or a server that cannot.
    private func nextOfDocument() async throws(ModelServerFailure) -> [UInt8]? {
        if pieces == nil {
            var document: [UInt8] = []
            while let bytes = try await receive() {
                guard document.count + bytes.readableBytes <= AnswerLimits.wholeBytesMax else {
                    throw .tooLong
                }
                document += bytes.readableBytesView
            }
            guard let answer = try? JSON(document) else {
                throw .broken("its answer is not valid JSON")
            }
            usage = TokenCount(answer["usage"])
            pieces = document[...]
        }
        guard let left = pieces, !left.isEmpty else { return nil }
        guard !isStreamed else {
            throw .broken("it does not stream although it was asked to")
        }
        pieces = left.dropFirst(AnswerLimits.pieceBytesMax)
        return Array(left.prefix(AnswerLimits.pieceBytesMax))
    }

    private func receive() async throws(ModelServerFailure) -> ByteBuffer? {
        do { return try await body.next() } catch let error as HTTPClientError {
            throw .broken(error.shortDescription)
        } catch { throw .broken("\(error)") }
    }
}
