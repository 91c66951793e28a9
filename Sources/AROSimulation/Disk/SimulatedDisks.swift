/// Every node's disk, in memory: a block that many nodes hold lies here once, and each of them
/// keeps four bytes of it. Answers come after a latency; faults are set from outside.

import AROContent
import AROPrimitives
import AROWire

public struct DiskModel: Hashable, Sendable {
    /// From a request to the answer, without the bytes. An SSD's order of magnitude.
    public var latency: Duration = .microseconds(100)
    /// Bytes per second; nil for no limit. Requests do not queue behind each other.
    public var rate: Int64? = 500_000_000

    public init() {}

    func time(for byteCount: Int) -> Duration {
        guard let rate else { return latency }
        return latency + .nanoseconds(Int64(Int128(byteCount) * 1_000_000_000 / Int128(rate)))
    }
}

/// How a disk may misbehave.
public enum DiskFault: Hashable, Sendable {
    /// Takes nothing more.
    case full
    /// A share of the blocks that lie on it now is damaged. Found out when they are read.
    case corrupt(Chance)
    /// Every request takes so much longer.
    case slow(Duration)
    /// Every request fails.
    case failing
    /// What it acknowledges from now on is gone when its node dies: a cache that says it is a disk.
    case forgetful
}

struct SimulatedDisks {
    private let model: DiskModel
    private let corruption: UInt64
    /// Every block there is, by the order of its first appearance.
    private var blocks: [[UInt8]] = []
    private var numbers: [CID: UInt32] = [:]
    private var disks: [Disk] = []

    private struct Disk {
        var held: Set<UInt32> = []
        var corrupt: Set<UInt32> = []
        var attestations: [CID: [Attestation]] = [:]
        var spaceLeft = Int.max
        /// Since the fault of ``DiskFault/forgetful`` began.
        var unsafe: Set<UInt32> = []
        var fault: DiskFault?
    }

    init(model: DiskModel, seeds: Seeds) {
        self.model = model
        corruption = seeds.number("corruption")
    }

    mutating func addNode() { disks.append(Disk()) }

    var heapByteCount: Int { disks.heapByteCount }

    /// Does what is asked, and says what is to be answered and how much later.
    mutating func serve(
        _ request: DiskRequest, for node: Int
    ) -> (reply: DiskReply, latency: Duration)? {
        guard var answer = obey(request, for: node) else { return nil }
        if case .slow(let delay) = disks[node].fault { answer.latency += delay }
        return answer
    }

    private mutating func obey(
        _ request: DiskRequest, for node: Int
    ) -> (reply: DiskReply, latency: Duration)? {
        switch request {
        case .read(let cid, let token):
            let result = read(cid, on: node)
            let count = (try? result.get().count) ?? 0
            return (.block(token, result), model.time(for: count))
        case .write(let cid, let block, let token):
            let result = write(block, as: cid, on: node)
            return (.stored(token, result), model.time(for: block.count))
        case .contains(let cids, let token):
            return (.contains(token, cids.map { holds($0, on: node) }), model.time(for: 0))
        case .readAttestations(let cid, let token):
            return (.attestations(token, disks[node].attestations[cid] ?? []), model.time(for: 0))
        case .writeAttestation(let attestation):
            put(attestation, on: node)
            return nil
        }
    }

    /// A corrupt block is found out on reading and set aside, as the store on a real disk does.
    private mutating func read(_ cid: CID, on node: Int) -> Result<[UInt8], DiskFailure> {
        if disks[node].fault == .failing { return .failure(Self.failed) }
        guard let number = numbers[cid], disks[node].held.contains(number) else {
            return .failure(.notFound)
        }
        guard !disks[node].corrupt.contains(number) else {
            erase(cid, on: node)
            return .failure(.corrupt)
        }
        return .success(blocks[Int(number)])
    }

    private mutating func write(
        _ block: [UInt8], as cid: CID, on node: Int
    ) -> Result<Void, DiskFailure> {
        if disks[node].fault == .failing { return .failure(Self.failed) }
        if holds(cid, on: node) { return .success(()) }
        guard block.count <= disks[node].spaceLeft, disks[node].fault != .full else {
            return .failure(.full)
        }
        put(block, as: cid, on: node)
        if disks[node].fault == .forgetful, let number = numbers[cid] {
            disks[node].unsafe.insert(number)
        }
        return .success(())
    }

    private static let failed = DiskFailure.failed("input/output error")

    // MARK: Faults

    mutating func setFault(_ fault: DiskFault?, of node: Int) {
        disks[node].fault = fault
        if fault != .forgetful { disks[node].unsafe.removeAll() }
        guard case .corrupt(let share) = fault else { return }
        for number in disks[node].held {
            // No draw: which are damaged must not depend on a set's order.
            let place = mix64(corruption ^ mix64(UInt64(node) << 32 | UInt64(number)))
            let drawn = place.multipliedFullWidth(by: 1_000_000).high
            if drawn < share.partsPerMillion { disks[node].corrupt.insert(number) }
        }
    }

    /// What was acknowledged is safe.
    mutating func sync(_ node: Int) { disks[node].unsafe.removeAll() }

    /// A node's life ended without a word.
    mutating func lostPower(_ node: Int) {
        guard !disks[node].unsafe.isEmpty else { return }
        let lost = disks[node].unsafe
        disks[node].unsafe.removeAll()
        for number in lost { erase(number, on: node) }
    }

    private func holds(_ cid: CID, on node: Int) -> Bool {
        guard let number = numbers[cid] else { return false }
        return disks[node].held.contains(number)
    }

    mutating func put(_ block: [UInt8], as cid: CID, on node: Int) {
        let number = intern(block, as: cid)
        guard disks[node].held.insert(number).inserted else { return }
        if disks[node].spaceLeft != .max { disks[node].spaceLeft -= block.count }
    }

    mutating func put(_ attestation: Attestation, on node: Int) {
        let known = disks[node].attestations[attestation.root] ?? []
        if !known.contains(attestation) {
            disks[node].attestations[attestation.root] = known + [attestation]
        }
    }

    func block(_ cid: CID, on node: Int) -> [UInt8]? {
        guard let number = numbers[cid], disks[node].held.contains(number),
            !disks[node].corrupt.contains(number)
        else { return nil }
        return blocks[Int(number)]
    }

    mutating func corrupt(_ cid: CID, on node: Int) {
        guard let number = numbers[cid] else { return }
        disks[node].corrupt.insert(number)
    }

    mutating func erase(_ cid: CID, on node: Int) {
        guard let number = numbers[cid] else { return }
        erase(number, on: node)
    }

    private mutating func erase(_ number: UInt32, on node: Int) {
        guard disks[node].held.remove(number) != nil else { return }
        disks[node].corrupt.remove(number)
        if disks[node].spaceLeft != .max { disks[node].spaceLeft += blocks[Int(number)].count }
    }

    mutating func setSpace(_ byteCount: Int?, of node: Int) {
        disks[node].spaceLeft = byteCount ?? .max
    }

    private mutating func intern(_ block: [UInt8], as cid: CID) -> UInt32 {
        if let number = numbers[cid] { return number }
        let number = UInt32(blocks.count)
        numbers[cid] = number
        blocks.append(block)
        return number
    }
}
