/// What a world of messages weighs, by part: tables by their storage, used or not. Statements that
/// nodes share are counted once; what the allocator adds, and small things, are not counted.

import ARONode
import AROOverlay
import AROPrimitives

public struct WeightOfPart: Hashable, Sendable {
    public var part: String
    /// Of the whole world.
    public var byteCount: Int
}

extension World where Resident == MessageNode {
    /// The heaviest part first.
    public var weights: [WeightOfPart] {
        var sums: [WeightOfPart] = []
        func add(_ part: StaticString, _ byteCount: Int) {
            let name = "\(part)"
            if let i = sums.firstIndex(where: { $0.part == name }) {
                sums[i].byteCount += byteCount
            } else {
                sums.append(WeightOfPart(part: name, byteCount: byteCount))
            }
        }
        add("places of the world", places.heapByteCount)
        add("links", network.heapByteCount)
        add("disks, without blocks", disks.heapByteCount)
        add("addresses", addressing.heapByteCount)
        add("agenda", agenda.heapByteCount)
        add("packets under way", pool.heapByteCount)
        add("participants themselves", 0)
        var isFirst = true
        for node in places.indices {
            guard let resident = seats[node].resident else { continue }
            add("participants themselves", MemoryLayout<Participant>.size)
            add(
                "other fields of nodes",
                MemoryLayout<MessageNode>.size - MemoryLayout<Participant>.size)
            resident.pointee.participant.weigh(add)
            add("sessions", resident.pointee.sessions.heapByteCount)
            add(
                "handshakes",
                resident.pointee.attempts.heapByteCount
                    + resident.pointee.dialAnswers.heapByteCount)
            if isFirst { add("statements, shared", resident.pointee.commons.statements.byteCount) }
            if isFirst {
                add("responses, shared", resident.pointee.commons.responses.heapByteCount)
            }
            if isFirst { add("peer book, shared", resident.pointee.commons.book.heapByteCount) }
            isFirst = false
        }
        return sums.sorted { ($0.byteCount, $1.part) > ($1.byteCount, $0.part) }
    }
}
