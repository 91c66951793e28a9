/// Content that is used while it is being fetched.
///
/// A fetch brings blocks roughly in the order of the tree, from several peers at once; a reader
/// follows it through the store and waits where it has caught up. Each byte was verified before it is
/// given out, but that a file ends well is known at its end only: whoever must not have a part of one
/// writes aside and renames.

import AROContent
import AROPrimitives
import AROWire
import Synchronization

extension NodeHandle {
    /// Fetches content and gives out its files, directories and bytes, in order, as they come.
    ///
    /// Where the fetch fails, what came before the gap is given out first. Cancelling the task ends
    /// the fetch.
    ///
    /// - Throws: `FetchFailure`, `RequestFailure`, ``ContentFailure``, or what `take` throws.
    package func stream(
        _ options: FetchOptions,
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in },
        _ take: @escaping @Sendable (ExportStep) async throws -> Void
    ) async throws {
        try await following(options, progress) { wait in
            let reader = self.content.reader(options, wait: wait)
            while let step = try await reader.step() { try await take(step) }
        }
    }

    /// Fetches content and gives out the blocks of a walk through it, in order, as they come.
    ///
    /// - Parameters:
    ///   - options: brings every block that `walk` visits.
    ///   - repeats: whether a block comes as often as it is linked, else once.
    package func streamBlocks(
        _ options: FetchOptions, _ walk: BlockWalk, repeats: Bool,
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in },
        _ take: @escaping @Sendable (CID, [UInt8]) async throws -> Void
    ) async throws {
        try await following(options, progress) { wait in
            let reader = self.content.blocks(walk, repeats: repeats, wait: wait)
            while let (cid, bytes) = try await reader.next() { try await take(cid, bytes) }
        }
    }

    /// Runs a fetch, and a reader that waits for what it brings.
    private func following(
        _ options: FetchOptions, _ progress: @escaping @Sendable (FetchProgress) -> Void,
        _ read: @escaping @Sendable (_ wait: @escaping BlockWait) async throws -> Void
    ) async throws {
        var options = options
        options.order = .reading
        let news = FetchNews(isReadable: options.publisher == nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [options] in await self.follow(options, news, progress) }
            group.addTask { [options] in try await self.export(options, news, progress, read) }
            while try await group.next() != nil {}
        }
        if let failure = news.failure { throw failure }
    }

    /// Runs a fetch to its end, and tells what becomes of it.
    private func follow(
        _ options: FetchOptions, _ news: FetchNews, _ progress: @Sendable (FetchProgress) -> Void
    ) async {
        do {
            for try await state in fetch(options) {
                news.progressed(isReadable: state.publisher != nil)
                progress(state)
            }
            news.ended(nil)
        } catch {
            news.ended(error)
        }
    }

    private func export(
        _ options: FetchOptions, _ news: FetchNews,
        _ progress: @escaping @Sendable (FetchProgress) -> Void,
        _ read: @Sendable (_ wait: @escaping BlockWait) async throws -> Void
    ) async throws {
        try await news.untilReadable()
        do {
            try await read { cid in
                switch news.verdict(on: cid) {
                case .look: break
                case .wait: await news.next()
                case .fetchAgain: await self.follow(options, news, progress)
                case .gone: return false
                }
                return true
            }
        } catch let failure as ContentFailure {
            throw news.reason(for: failure)
        }
    }
}

/// What a fetch told last, for the one reader that follows it.
private final class FetchNews: Sendable {
    enum Verdict { case look, wait, fetchAgain, gone }

    private struct State {
        /// False until the demanded signature was found: before, nothing is given out.
        var isReadable: Bool
        var isOver = false
        var failure: (any Error)?
        var fetches = 1
        /// What was looked for since the fetch is over: it may have come with the last news.
        var sought: Set<CID> = []
        /// Something was told since the reader last waited.
        var isNew = false
        var isCancelled = false
        var reader: CheckedContinuation<Void, Never>?
    }

    /// A block that the store had, and whose damage the reader found, is fetched anew. So often at
    /// most, in one reading: a disk that loses more is not to be used. A guess.
    private static let fetchesMax = 3
    /// The longest wait until the reader looks again whatever is told. A guess: progress is told five
    /// times a second, so this is for the case that nothing changes any more.
    private static let patience = Duration.seconds(1)

    private let state: Mutex<State>

    init(isReadable: Bool) { state = Mutex(State(isReadable: isReadable)) }

    var failure: (any Error)? { state.withLock { $0.failure } }

    // MARK: The fetch

    func progressed(isReadable: Bool) {
        tell { $0.isReadable = $0.isReadable || isReadable }
    }

    func ended(_ failure: (any Error)?) {
        tell {
            $0.isReadable = $0.isReadable || failure == nil
            ($0.isOver, $0.failure, $0.sought) = (true, failure, [])
        }
    }

    private func tell(_ change: (inout sending State) -> Void) {
        let reader = state.withLock { state in
            change(&state)
            state.isNew = true
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    // MARK: The reader

    /// Waits for the demanded signature.
    func untilReadable() async throws {
        while true {
            let (isReadable, isOver) = state.withLock { ($0.isReadable, $0.isOver) }
            if isReadable { return }
            if isOver { throw failure ?? CancellationError() }
            try Task.checkCancellation()
            await next()
        }
    }

    /// What to do about a block that is not there.
    func verdict(on cid: CID) -> Verdict {
        state.withLock { state in
            guard state.isOver else { return .wait }
            if state.sought.insert(cid).inserted { return .look }
            guard state.failure == nil, state.fetches < Self.fetchesMax else { return .gone }
            state.fetches += 1
            state.isOver = false
            return .fetchAgain
        }
    }

    /// Waits until something was told, or for a moment.
    func next() async {
        let alarm = Task {
            try await Task.sleep(for: .nanoseconds(Self.patience.nanoseconds))
            self.tell { _ in }
        }
        defer { alarm.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isNow = state.withLock { state in
                    defer { state.isNew = false }
                    if state.isNew || state.isCancelled { return true }
                    state.reader = continuation
                    return false
                }
                if isNow { continuation.resume() }
            }
        } onCancel: {
            tell { $0.isCancelled = true }
        }
    }

    /// Why the reader could not go on: where the fetch failed, that is the reason.
    func reason(for failure: ContentFailure) -> any Error {
        switch failure {
        case .tree(let failure): failure
        case .cancelled: CancellationError()
        case .missing: self.failure ?? failure
        default: failure
        }
    }
}
