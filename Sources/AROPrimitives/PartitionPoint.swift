/// The binary search that all of the core's sorted tables share.

extension RandomAccessCollection where Index == Int {
    /// How far the elements go for which `isBefore` holds, of which all stand before the rest: the
    /// index of the first other one, or `endIndex`.
    @inlinable package func partitionPoint(where isBefore: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The same, where the elements are spread by `key` as hashes are: begins where chance would have
    /// put it and takes longer and longer steps from there, so that of a large table few lines are
    /// read, and never more than about twice as many elements as otherwise, however they are spread.
    @inlinable package func partitionPoint(
        near key: UInt64, where isBefore: (Element) -> Bool
    ) -> Int {
        guard count > 16 else { return partitionPoint(where: isBefore) }
        let guess = startIndex + Int(key.multipliedFullWidth(by: UInt64(count)).high)
        var (low, high) = (startIndex, endIndex)
        var step = 8
        if isBefore(self[guess]) {
            low = guess + 1
            while high - low > step {
                guard isBefore(self[low + step]) else {
                    high = low + step
                    break
                }
                low += step + 1
                step *= 2
            }
        } else {
            high = guess
            while high - low > step {
                guard !isBefore(self[high - step]) else {
                    low = high - step + 1
                    break
                }
                high -= step
                step *= 2
            }
        }
        return (low..<high).partitionPoint { isBefore(self[$0]) }
    }
}
