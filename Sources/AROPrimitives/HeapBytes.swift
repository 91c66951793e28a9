/// What a value takes beside its own size: for the accounts of simulated worlds, in which a byte more a
/// node is a megabyte more a million.

extension Array {
    /// The storage, used or not, with its header; without what elements own elsewhere.
    @inlinable public var heapByteCount: Int {
        capacity == 0 ? 0 : 32 + capacity * MemoryLayout<Element>.stride
    }
}

extension Array {
    /// What its elements take in line: unlike ``heapByteCount`` the same on every machine.
    package var heldByteCount: Int { count * MemoryLayout<Element>.stride }
}
