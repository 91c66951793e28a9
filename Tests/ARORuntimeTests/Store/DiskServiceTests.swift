// The node's disk: every request one reply, writes grouped, damage and full disks told.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire
import Foundation
import Synchronization
import Testing

@testable import ARORuntime

extension DiskService {
    fileprivate func reply(to request: DiskRequest) async -> DiskReply {
        await withCheckedContinuation { continuation in
            perform(request) { continuation.resume(returning: $0) }
        }
    }

    fileprivate func read(_ block: Block, token: UInt64 = 1) async -> Result<[UInt8], DiskFailure>?
    {
        guard
            case .block(DiskToken(number: token), let result) =
                await reply(to: .read(block.cid, DiskToken(number: token)))
        else { return nil }
        return result
    }

    fileprivate func write(_ block: Block) async -> DiskFailure? {
        guard
            case .stored(_, let result) =
                await reply(to: .write(block.cid, block.bytes, DiskToken(number: 2)))
        else { return .failed("wrong reply") }
        if case .failure(let failure) = result { return failure }
        return nil
    }
}

/// Values from several threads.
final class Gathered<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    func add(_ value: Value) { values.withLock { $0.append(value) } }
    var all: [Value] { values.withLock { $0 } }
}

@Suite struct DiskServiceTests {
    @Test func requestsAreAnsweredByTheirTokens() async throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let service = DiskService(store)
        let blocks = [Block(seed: 1, byteCount: 300_000), Block(seed: 2, byteCount: 30)]
        #expect(await service.read(blocks[0]) == .failure(.notFound))
        for block in blocks { #expect(await service.write(block) == nil) }
        for block in blocks {
            #expect(await service.read(block, token: 77) == .success(block.bytes))
        }
        let missing = Block(seed: 3, byteCount: 30)
        let token = DiskToken(number: 9)
        let contains = await service.reply(
            to: .contains([missing.cid] + blocks.map(\.cid), token))
        guard case .contains(token, [false, true, true]) = contains else {
            Issue.record("\(contains)")
            return
        }
        await service.close()
    }

    @Test func damageIsToldAndHealed() async throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let service = DiskService(store)
        let block = Block(seed: 1, byteCount: 300_000)
        _ = await service.write(block)
        truncate(store.files.path(of: block.cid), 299_999)
        #expect(await service.read(block) == .failure(.corrupt))
        #expect(await service.read(block) == .failure(.notFound))
        #expect(await service.write(block) == nil)
        #expect(await service.read(block) == .success(block.bytes))
        await service.close()
    }

    @Test func manyWritesAtOnceAreAllAnsweredAndDurable() async throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let service = DiskService(store)
        let blocks = (0..<200).map { Block(seed: $0, byteCount: $0 % 2 == 0 ? 50_000 : 500) }
        let failures = Gathered<DiskFailure>()
        await withTaskGroup(of: Void.self) { group in
            for block in blocks {
                group.addTask {
                    if let failure = await service.write(block) {
                        failures.add(failure)
                    }
                }
            }
        }
        #expect(failures.all.isEmpty)
        await service.close()
        let again = try scratch.store()
        for block in blocks { #expect(try again.read(block.cid) == block.bytes) }
    }

    @Test func whereABatchDoesNotFitItsPartsAreTried() async throws {
        let scratch = Scratch()
        let store = try scratch.store(quota: 5 * 20_512)
        let use = store.beginUse()
        let service = DiskService(store)
        let blocks = (0..<9).map { Block(seed: $0, byteCount: 20_000) }
        let results = Gathered<DiskFailure?>()
        await withTaskGroup(of: Void.self) { group in
            for block in blocks {
                group.addTask {
                    let failure = await service.write(block)
                    results.add(failure)
                }
            }
        }
        #expect(results.all.filter { $0 == nil }.count == 5)
        #expect(results.all.filter { $0 == .full }.count == 4)
        #expect(blocks.filter(store.holds).count == 5)
        withExtendedLifetime(use) {}
        await service.close()
    }

    @Test func attestationsAreKeptTheNewestOfEachPublisher() async throws {
        let scratch = Scratch()
        let store = try scratch.store()
        let service = DiskService(store)
        let root = Block(seed: 1, byteCount: 10).cid
        for (publisher, issued) in [(1, 10), (2, 30), (1, 20), (1, 15)] as [(UInt64, Int64)] {
            service.perform(.writeAttestation(try attestation(root, publisher, issued))) { _ in }
        }
        _ = await service.write(Block(seed: 2, byteCount: 10))  // behind them in the queue
        let reply = await service.reply(to: .readAttestations(root, DiskToken(number: 4)))
        guard case .attestations(_, let found) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(try found == [attestation(root, 2, 30), attestation(root, 1, 20)])
        for publisher in 10..<60 as Range<UInt64> {
            try store.addAttestation(try attestation(root, publisher, Int64(publisher)))
        }
        let kept = try store.attestations(of: root)
        #expect(kept.count == ChunkStore.attestationsPerRootMax)
        #expect(kept.first?.issued.seconds == 59)
        await service.close()
    }

    private func attestation(
        _ root: CID, _ publisher: UInt64, _ issued: Int64
    ) throws -> Attestation {
        try Attestation(
            root: root, byteCount: 1 << 62, name: "näme", mediaType: "text/plain",
            issued: UnixTime(seconds: issued), by: Scratch.identity(publisher))
    }

    @Test func afterClosingEveryRequestIsRefusedButAnswered() async throws {
        let scratch = Scratch()
        let service = DiskService(try scratch.store())
        let block = Block(seed: 1, byteCount: 30_000)
        async let written = service.write(block)
        _ = await written
        await service.close()
        guard case .failure(.failed) = await service.read(block) else {
            Issue.record("a closed service read")
            return
        }
        guard case .failed = await service.write(block) else {
            Issue.record("a closed service wrote")
            return
        }
    }

    @Test func theCatalogueSurvivesReopening() throws {
        let scratch = Scratch()
        let cids = (0..<3).map { Block(seed: $0, byteCount: 9).cid }
        let roots = cids.enumerated().map { i, cid in
            PublishedRoot(
                cid: cid, byteCount: 5, kind: .directory, name: "dir \(i)",
                added: UnixTime(seconds: Int64(i)))
        }
        let name = PublishedName(
            label: "news", target: cids[0], sequence: 1 << 63, lifetime: .hours(24))
        do {
            let store = try scratch.store()
            try store.write((0..<3).map { Block(seed: $0, byteCount: 9) })
            for root in roots { try store.addRoot(root) }
            try store.removeRoot(cids[1])
            try store.setName(
                PublishedName(label: "old", target: cids[0], sequence: 1, lifetime: .zero))
            try store.setName(name)
            try store.removeName("old")
        }
        let store = try scratch.store()
        #expect(try store.roots() == [roots[0], roots[2]])
        #expect(try store.names() == [name])
        try store.collectGarbage()
        #expect(try store.roots().isEmpty)
        let first = try store.advanceName("log", target: cids[0], lifetime: .hours(1))
        let second = try store.advanceName("log", target: cids[1], lifetime: .hours(1))
        #expect(second.sequence > first.sequence)
        #expect(try store.names() == [second, name])
    }
}

@Suite struct WorkQueueTests {
    @Test func isBoundedByWeightAndTakesInOrder() {
        let queue = WorkQueue<Int>(weightMax: 10)
        #expect(queue.add(1, weight: 6) && queue.add(2, weight: 4))
        #expect(!queue.add(3, weight: 1))
        #expect(queue.take(weightMax: 5, countMax: 9) == [1])
        #expect(queue.add(3, weight: 1) && queue.add(4, weight: 1))
        #expect(queue.take(weightMax: 100, countMax: 2) == [2, 3])
        #expect(queue.take(weightMax: 100, countMax: 2) == [4])
        #expect(queue.isEmpty)
        #expect(queue.add(5, weight: 1_000), "one item always fits")
        queue.close {}
        #expect(!queue.add(6, weight: 1))
        #expect(queue.take(weightMax: 1, countMax: 1) == [5])
        #expect(queue.take(weightMax: 1, countMax: 1) == nil)
    }
}
