/// The transfers that are under way in this node and how far each is, for whoever shows them.

import AROContent
import AROPrimitives
import AROWire
import Synchronization

/// Content on its way into this node.
public struct Transfer: Hashable, Sendable {
    public enum Kind: String, Codable, Sendable { case fetching, importing }

    /// Counted from the node's start.
    public var number: UInt64
    public var kind: Kind
    /// nil for what is imported: its name is known at the end.
    public var root: CID?
    public var path: [String]
    public var done: UInt64 = 0
    /// nil while it is not known.
    public var total: UInt64?
    /// Peers that are serving us.
    public var providers = 0
    /// Bytes that came over the network.
    public var fetched: UInt64 = 0
}

final class Transfers: Sendable {
    private struct State {
        var next: UInt64 = 1
        var running: [Transfer] = []
    }

    private let state = Mutex(State())

    /// In the order of their start.
    var running: [Transfer] { state.withLock { $0.running } }

    func begin(_ kind: Transfer.Kind, root: CID? = nil, path: [String] = []) -> UInt64 {
        state.withLock { state in
            let number = state.next
            state.next += 1
            state.running.append(Transfer(number: number, kind: kind, root: root, path: path))
            return number
        }
    }

    func update(_ number: UInt64, _ change: (inout Transfer) -> Void) {
        state.withLock { state in
            guard let at = state.running.firstIndex(where: { $0.number == number }) else { return }
            change(&state.running[at])
        }
    }

    func end(_ number: UInt64) {
        state.withLock { $0.running.removeAll { $0.number == number } }
    }
}

extension Transfers {
    func fetched(_ number: UInt64, _ progress: FetchProgress) {
        update(number) { transfer in
            (transfer.done, transfer.total) = (progress.bytesStored, progress.bytesWanted)
            (transfer.providers, transfer.fetched) = (progress.providers, progress.bytesFetched)
        }
    }
}

extension NodeHandle {
    /// What is being fetched and imported now, in the order of its start.
    public var runningTransfers: [Transfer] { transfers.running }

    /// Lets an import be seen while it runs.
    func importing<T: Sendable>(
        _ progress: @escaping JobProgress,
        _ job: @Sendable (@escaping JobProgress) async throws -> T
    ) async throws -> T {
        let number = transfers.begin(.importing)
        defer { transfers.end(number) }
        return try await job { [transfers] done, total in
            transfers.update(number) { ($0.done, $0.total) = (done, total) }
            progress(done, total)
        }
    }
}
