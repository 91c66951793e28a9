/// Endings that are remembered after their rows are gone, so that an old statement from afar does
/// not bring back the dead: as long as the statement would have been valid (Demers and others 1987,
/// §2, "death certificates"), in a bounded table sorted by place.

import AROPrimitives

struct Tombstones: Sendable {
    private struct Stone: Sendable {
        var place: UInt64
        var sequence: UInt64
        var until: Instant
    }

    private var stones: [Stone] = []

    var count: Int { stones.count }
    var heapByteCount: Int { stones.heapByteCount }

    /// The sequence up to which the statements of a place are over.
    func sequence(at place: UInt64, at now: Instant) -> UInt64? {
        let i = position(of: place)
        guard i < stones.count, stones[i].place == place, stones[i].until > now else { return nil }
        return stones[i].sequence
    }

    mutating func set(
        _ place: UInt64, sequence: UInt64, until: Instant, at now: Instant, bound: Int
    ) {
        guard until > now, bound > 0 else { return }
        let i = position(of: place)
        let stone = Stone(place: place, sequence: sequence, until: until)
        if i < stones.count, stones[i].place == place {
            if stones[i].sequence <= sequence { stones[i] = stone }
            return
        }
        stones.insert(stone, at: i)
        if stones.count > bound { makeRoom(at: now) }
    }

    mutating func remove(_ place: UInt64) {
        let i = position(of: place)
        if i < stones.count, stones[i].place == place { stones.remove(at: i) }
    }

    private mutating func makeRoom(at now: Instant) {
        let before = stones.count
        stones.removeAll { $0.until <= now }
        guard stones.count == before,
            let first = stones.indices.min(by: { stones[$0].until < stones[$1].until })
        else { return }
        stones.remove(at: first)
    }

    private func position(of place: UInt64) -> Int {
        stones.partitionPoint { $0.place < place }
    }
}
