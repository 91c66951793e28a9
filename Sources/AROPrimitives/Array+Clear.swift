extension Array {
    /// Removes all elements and keeps the capacity, as `removeAll(keepingCapacity: true)` does: but
    /// one by one where they are few, which takes a fraction of the time.
    @inlinable @inline(__always)
    package mutating func clear() {
        if count > 4 { return removeLast(count) }
        while !isEmpty { removeLast() }
    }
}
