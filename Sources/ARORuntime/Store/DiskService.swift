/// Carries the node's ``DiskRequest``s to the store, off the node's loop.
///
/// Two kinds of threads: readers, which never wait for a sync, and one writer. The writer takes all
/// writes that wait, up to ``batchBytesMax``, and commits them together: while it syncs one batch, the
/// next one gathers, so that the number of syncs falls as the load rises (group commit; DeWitt et al.
/// 1984). Replies come on these threads, in any order, exactly one for each request but
/// ``DiskRequest/writeAttestation(_:)``, also while closing.

import AROContent
import AROWire
import Foundation
import Synchronization

public final class DiskService: Sendable {
    public typealias Reply = @Sendable (DiskReply) -> Void

    private struct Waiting: Sendable {
        var request: DiskRequest
        var reply: Reply
    }

    /// The bytes of one group commit. Larger batches gained nothing; see the measurement in
    /// Docs/Decisions/0008-store.md.
    static let batchBytesMax = 32 << 20
    /// Blocks of one group commit. A guess.
    static let batchBlocksMax = 512
    /// Bytes of writes that may wait; what comes on top is refused. A guess: two seconds of a slow
    /// disk.
    static let waitingBytesMax = 256 << 20
    /// Requests that may wait with a reader. A guess.
    static let waitingReadsMax = 16_384

    private let store: ChunkStore
    private let reads: WorkQueue<Waiting>
    private let writes: WorkQueue<Waiting>

    /// - Parameter readers: threads that read and hash: 2 keep a disk and a core busy.
    public init(_ store: ChunkStore, readers: Int = 2) {
        self.store = store
        reads = WorkQueue(weightMax: Self.waitingReadsMax)
        writes = WorkQueue(weightMax: Self.waitingBytesMax)
        for i in 0..<readers { start("aro-read-\(i)", on: reads) { $0.runReader() } }
        start("aro-write", on: writes) { $0.runWriter() }
    }

    /// Takes a request and returns at once. `reply` is called once, on a thread of the service.
    public func perform(_ request: DiskRequest, reply: @escaping Reply) {
        let waiting = Waiting(request: request, reply: reply)
        let taken =
            switch request {
            case .write(_, let bytes, _): writes.add(waiting, weight: bytes.count)
            case .writeAttestation: writes.add(waiting, weight: 512)
            case .read, .contains, .readAttestations: reads.add(waiting, weight: 1)
            }
        if !taken { refuse(waiting) }
    }

    /// Does what was taken and stops the threads. Later requests are refused.
    public func close() async {
        await withCheckedContinuation { continuation in
            reads.close {
                self.writes.close { continuation.resume() }
            }
        }
    }

    private func start(
        _ name: String, on queue: WorkQueue<Waiting>,
        _ run: @escaping @Sendable (DiskService) -> Void
    ) {
        queue.workerStarted()
        let thread = Thread {
            run(self)
            queue.workerEnded()
        }
        thread.name = name
        thread.start()
    }

    private func refuse(_ waiting: Waiting) {
        let failure = DiskFailure.failed("too much work is waiting for the disk")
        switch waiting.request {
        case .read(_, let token): waiting.reply(.block(token, .failure(failure)))
        case .write(_, _, let token): waiting.reply(.stored(token, .failure(failure)))
        case .contains(let cids, let token):
            waiting.reply(.contains(token, cids.map { _ in false }))
        case .readAttestations(_, let token): waiting.reply(.attestations(token, []))
        case .writeAttestation: break
        }
    }

    // MARK: Reading

    private func runReader() {
        while let batch = reads.take(weightMax: 1, countMax: 1) {
            for waiting in batch { answer(waiting) }
        }
    }

    private func answer(_ waiting: Waiting) {
        switch waiting.request {
        case .read(let cid, let token):
            let result: Result<[UInt8], DiskFailure>
            do throws(StoreFailure) { result = .success(try store.read(cid)) } catch {
                result = .failure(error.forNode)
            }
            waiting.reply(.block(token, result))
        case .contains(let cids, let token):
            let held = try? store.touch(cids)
            waiting.reply(.contains(token, held ?? cids.map { _ in false }))
        case .readAttestations(let root, let token):
            waiting.reply(.attestations(token, (try? store.attestations(of: root)) ?? []))
        case .write, .writeAttestation: break
        }
    }

    // MARK: Writing

    private func runWriter() {
        while let batch = writes.take(
            weightMax: Self.batchBytesMax, countMax: Self.batchBlocksMax)
        {
            commit(batch)
            settleWhileIdle()
        }
    }

    private func commit(_ batch: [Waiting]) {
        var staged: [StagedBlock] = []
        var waiting: [Waiting] = []
        for one in batch {
            switch one.request {
            case .writeAttestation(let attestation): try? store.addAttestation(attestation)
            case .write(let cid, let bytes, let token):
                do throws(StoreFailure) {
                    staged.append(try store.stage(cid, bytes))
                    waiting.append(one)
                } catch { one.reply(.stored(token, .failure(error.forNode))) }
            default: break
            }
        }
        commit(staged, waiting)
    }

    /// Where a batch does not fit as a whole, its halves are tried, down to single blocks.
    private func commit(_ staged: [StagedBlock], _ waiting: [Waiting]) {
        do throws(StoreFailure) {
            try store.commit(staged)
            for one in waiting { acknowledge(one, .success(())) }
        } catch {
            guard staged.count > 1, error.forNode == .full else {
                return waiting.forEach { acknowledge($0, .failure(error.forNode)) }
            }
            let half = staged.count / 2
            commit(Array(staged[..<half]), Array(waiting[..<half]))
            commit(Array(staged[half...]), Array(waiting[half...]))
        }
    }

    private func acknowledge(_ waiting: Waiting, _ result: Result<Void, DiskFailure>) {
        guard case .write(_, _, let token) = waiting.request else { return }
        waiting.reply(.stored(token, result))
    }

    private func settleWhileIdle() {
        while writes.isEmpty, (try? store.settleSome()) == false {}
    }
}
