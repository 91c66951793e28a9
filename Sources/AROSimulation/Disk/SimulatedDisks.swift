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

struct SimulatedDisks {
    private let model: DiskModel
    /// Every block there is, by the order of its first appearance.
    private var blocks: [[UInt8]] = []
    private var numbers: [CID: UInt32] = [:]
    private var disks: [Disk] = []

    private struct Disk {
        var held: Set<UInt32> = []
        var corrupt: Set<UInt32> = []
        var attestations: [CID: [Attestation]] = [:]
        var spaceLeft = Int.max
    }

    init(model: DiskModel, seeds: Seeds) { self.model = model }

    mutating func addNode() { disks.append(Disk()) }

    /// Does what is asked, and says what is to be answered and how much later.
    mutating func serve(
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
        if holds(cid, on: node) { return .success(()) }
        guard block.count <= disks[node].spaceLeft else { return .failure(.full) }
        put(block, as: cid, on: node)
        return .success(())
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
        guard let number = numbers[cid], disks[node].held.remove(number) != nil else { return }
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
