import Testing

@testable import AROPrimitives

@Suite("A binary search")
struct PartitionPointTests {
    /// Sorted keys: spread as hashes are, crowded at either end, all alike, or far between.
    private static func tables(_ generator: inout Generator) -> [[UInt64]] {
        var tables: [[UInt64]] = []
        for count in [0, 1, 2, 16, 17, 100, 1_000] {
            let hashes = (0..<count).map { _ in generator.next() }.sorted()
            tables.append(hashes)
            tables.append(hashes.map { $0 >> 40 })
            tables.append(hashes.map { ($0 >> 40) | (UInt64.max << 40) })
            tables.append(hashes.map { ($0 >> 58) << 58 })
            tables.append(Array(repeating: 7, count: count))
        }
        return tables
    }

    @Test("finds the first that is not before, wherever it begins")
    func near() {
        var generator = Generator(seed: 5)
        for table in Self.tables(&generator) {
            let keys = table.prefix(50) + table.suffix(50) + [0, 1, 7, 8, .max]
            for key in keys + (0..<20).map({ _ in generator.next() }) {
                let expected = table.firstIndex { $0 >= key } ?? table.count
                #expect(table.partitionPoint { $0 < key } == expected)
                #expect(table.partitionPoint(near: key) { $0 < key } == expected)
                // The guess is free to be wrong.
                #expect(table.partitionPoint(near: generator.next()) { $0 < key } == expected)
            }
        }
    }

    @Test("goes by the indices of a slice")
    func slices() {
        let numbers = Array(0..<100)[20..<80]
        #expect(numbers.partitionPoint { $0 < 33 } == 33)
        #expect(numbers.partitionPoint(near: .max) { $0 < 33 } == 33)
        #expect(numbers.partitionPoint(near: 0) { _ in true } == 80)
        #expect(numbers.partitionPoint(near: 0) { _ in false } == 20)
    }

    @Test("reads few elements of a large table of hashes, and not many of any other")
    func reads() {
        var generator = Generator(seed: 6)
        let hashes = (0..<1_024).map { _ in generator.next() }.sorted()
        var read = 0
        for _ in 0..<1_000 {
            let key = generator.next()
            _ = hashes.partitionPoint(near: key) {
                read += 1
                return $0 < key
            }
        }
        // 10 a search where it begins in the middle.
        #expect(read < 8_000, "\(read)")
        let crowded = (0..<1_024).map { UInt64($0) }
        read = 0
        _ = crowded.partitionPoint(near: .max) {
            read += 1
            return $0 < 1
        }
        #expect(read < 22, "\(read)")
    }
}
