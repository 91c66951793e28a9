/// How many things each of many owners has: sorted by owner, so that nothing depends on hash order. Who
/// has most is known at any time.

import AROPrimitives

struct Tally<Owner: Comparable & Sendable>: Sendable {
    private typealias Row = (owner: Owner, count: Int32)

    private var rows: [Row] = []
    /// The owner of most; the least of several.
    private var first: Row?

    init() {}

    init(counting owners: [Owner]) {
        for owner in owners.sorted() {
            if let last = rows.last, last.owner == owner {
                rows[rows.count - 1].count += 1
            } else {
                rows.append((owner, 1))
            }
        }
        first = search()
    }

    var heapByteCount: Int { rows.heapByteCount }

    subscript(owner: Owner) -> Int {
        let i = position(of: owner)
        return i < rows.count && rows[i].owner == owner ? Int(rows[i].count) : 0
    }

    /// The owner of most; the least of several.
    var most: Owner? { first?.owner }

    /// How many ``most`` has; 0 where nobody has any.
    var mostCount: Int { Int(first?.count ?? 0) }

    mutating func add(_ owner: Owner) {
        let i = position(of: owner)
        if i < rows.count, rows[i].owner == owner {
            rows[i].count += 1
        } else {
            rows.insert((owner, 1), at: i)
        }
        if let first,
            first.count > rows[i].count
                || first.count == rows[i].count && first.owner < owner
        {
            return
        }
        first = rows[i]
    }

    mutating func remove(_ owner: Owner) {
        let i = position(of: owner)
        precondition(i < rows.count && rows[i].owner == owner, "was never added")
        rows[i].count -= 1
        if rows[i].count == 0 { rows.remove(at: i) }
        if first?.owner == owner { first = search() }
    }

    private func search() -> Row? {
        var best: Int?
        for i in rows.indices where best.map({ rows[$0].count < rows[i].count }) ?? true {
            best = i
        }
        return best.map { rows[$0] }
    }

    private func position(of owner: Owner) -> Int {
        rows.partitionPoint { $0.owner < owner }
    }
}
