import AROContent
import AROPrimitives
import AROWire
import Testing

@testable import AROSimulation

private func disks(_ blocks: Int = 400) -> (SimulatedDisks, [CID]) {
    var disks = SimulatedDisks(model: DiskModel(), seeds: Seeds(1))
    disks.addNode()
    var cids: [CID] = []
    for i in 0..<blocks {
        let block = [UInt8(i & 255), UInt8(i >> 8), 7]
        let cid = CID(.raw, hashing: block.span.bytes)
        disks.put(block, as: cid, on: 0)
        cids.append(cid)
    }
    return (disks, cids)
}

@Suite struct DiskFaults {
    private func isRead(_ reply: DiskReply?) -> Bool {
        if case .block(_, .success) = reply { true } else { false }
    }

    private func isStored(_ reply: DiskReply?) -> Bool {
        if case .stored(_, .success) = reply { true } else { false }
    }

    private let token = DiskToken(number: 1)

    @Test func `a share of the blocks is corrupt, found out by reading`() {
        var (disks, cids) = disks()
        disks.setFault(.corrupt(.percent(25)), of: 0)
        let lost = cids.count { !isRead(disks.serve(.read($0, token), for: 0)?.reply) }
        #expect(abs(lost - 100) < 30)
    }

    @Test func `a full disk takes nothing and a failing one does nothing, until they are mended`() {
        var (disks, cids) = disks()
        let (block, new) = ([UInt8](repeating: 9, count: 9), CID(.raw, hashing: [9, 9].span.bytes))
        for fault in [DiskFault.full, .failing] {
            disks.setFault(fault, of: 0)
            #expect(!isStored(disks.serve(.write(new, block, token), for: 0)?.reply))
            #expect(isRead(disks.serve(.read(cids[0], token), for: 0)?.reply) == (fault == .full))
        }
        disks.setFault(nil, of: 0)
        #expect(isStored(disks.serve(.write(new, block, token), for: 0)?.reply))
        #expect(isRead(disks.serve(.read(cids[0], token), for: 0)?.reply))
    }

    @Test func `a slow disk answers later`() {
        var (disks, cids) = disks()
        let usual = disks.serve(.read(cids[0], token), for: 0)!.latency
        disks.setFault(.slow(.seconds(1)), of: 0)
        #expect(disks.serve(.read(cids[0], token), for: 0)!.latency == usual + .seconds(1))
    }

    @Test func `a forgetful disk loses what it acknowledged, and only that`() {
        var (disks, cids) = disks()
        let new = CID(.raw, hashing: [9, 9].span.bytes)
        disks.setFault(.forgetful, of: 0)
        #expect(isStored(disks.serve(.write(new, [9, 9], token), for: 0)?.reply))
        disks.lostPower(0)
        #expect(disks.block(new, on: 0) == nil)
        #expect(cids.allSatisfy { disks.block($0, on: 0) != nil })
        disks.put([9, 9], as: new, on: 0)
        disks.sync(0)
        disks.lostPower(0)
        #expect(disks.block(new, on: 0) != nil)
    }
}
