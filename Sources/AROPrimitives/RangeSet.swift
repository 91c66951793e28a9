/// A set of integers as sorted ranges: received packet numbers, acknowledged bytes of a stream.
///
/// Kept in one array because nearly every change is at its end; an insertion in the middle costs a
/// move of the ranges behind it, so whoever fills a set from what a stranger sends bounds
/// ``count``. Shadows `Swift.RangeSet` in modules that import this one.

public struct RangeSet: Equatable, Sendable {
    /// Ascending; no two overlap or touch; none is empty.
    @usableFromInline var ranges: [Range<UInt64>] = []

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { ranges.isEmpty }
    /// How many ranges there are.
    @inlinable public var count: Int { ranges.count }
    @inlinable public var first: Range<UInt64>? { ranges.first }
    @inlinable public var last: Range<UInt64>? { ranges.last }
    @inlinable public subscript(index: Int) -> Range<UInt64> { ranges[index] }

    /// The index of the first range that ends behind `value`; ``count`` if none does. O(log n).
    @inlinable public func index(endingAfter value: UInt64) -> Int {
        guard let last = ranges.last, last.upperBound > value else { return ranges.count }
        if last.lowerBound <= value { return ranges.count - 1 }
        var low = 0
        var high = ranges.count - 1
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound > value { high = middle } else { low = middle + 1 }
        }
        return low
    }

    @inlinable public func contains(_ value: UInt64) -> Bool {
        let i = index(endingAfter: value)
        return i < ranges.count && ranges[i].lowerBound <= value
    }

    /// Adds a range, joining what it overlaps or touches.
    @inlinable public mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        guard let last = ranges.last, range.lowerBound <= last.upperBound else {
            ranges.append(range)
            return
        }
        if range.lowerBound >= last.lowerBound {
            guard range.upperBound > last.upperBound else { return }
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            return
        }
        insertInside(range)
    }

    @usableFromInline mutating func insertInside(_ range: Range<UInt64>) {
        // The first range that touches or follows: one that ends at the lower bound touches.
        let start = range.lowerBound == 0 ? 0 : index(endingAfter: range.lowerBound - 1)
        var end = start
        var joined = range
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            joined =
                min(
                    joined.lowerBound, ranges[end].lowerBound)..<max(
                    joined.upperBound, ranges[end].upperBound)
            end += 1
        }
        if end == start + 1 {
            ranges[start] = joined
        } else {
            ranges.replaceSubrange(start..<end, with: CollectionOfOne(joined))
        }
    }

    /// Adds what of `range` is not in `others`.
    @inlinable public mutating func insert(_ range: Range<UInt64>, except others: RangeSet) {
        var cursor = range.lowerBound
        var i = others.index(endingAfter: cursor)
        while i < others.count, others[i].lowerBound < range.upperBound {
            if others[i].lowerBound > cursor { insert(cursor..<others[i].lowerBound) }
            cursor = others[i].upperBound
            i += 1
        }
        if cursor < range.upperBound { insert(cursor..<range.upperBound) }
    }

    /// Takes a range out.
    @inlinable public mutating func remove(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let start = index(endingAfter: range.lowerBound)
        guard start < ranges.count, ranges[start].lowerBound < range.upperBound else { return }
        removeInside(range, from: start)
    }

    @usableFromInline mutating func removeInside(_ range: Range<UInt64>, from start: Int) {
        var start = start
        let first = ranges[start]
        if first.lowerBound < range.lowerBound {
            ranges[start] = first.lowerBound..<range.lowerBound
            start += 1
            if first.upperBound > range.upperBound {
                ranges.insert(range.upperBound..<first.upperBound, at: start)
                return
            }
        }
        var end = start
        while end < ranges.count, ranges[end].upperBound <= range.upperBound { end += 1 }
        if end < ranges.count, ranges[end].lowerBound < range.upperBound {
            ranges[end] = range.upperBound..<ranges[end].upperBound
        }
        ranges.removeSubrange(start..<end)
    }

    /// Takes out everything below `bound`.
    @inlinable public mutating func removeBelow(_ bound: UInt64) {
        guard let first = ranges.first, first.lowerBound < bound else { return }
        remove(first.lowerBound..<bound)
    }

    /// Takes out and returns the lowest range.
    @inlinable public mutating func removeFirst() -> Range<UInt64> { ranges.removeFirst() }

    @inlinable public mutating func removeAll() { ranges.removeAll(keepingCapacity: true) }
}
