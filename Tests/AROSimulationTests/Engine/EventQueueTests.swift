import AROPrimitives
import Testing

@testable import AROSimulation

@Suite struct EventQueueTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func `events come out by time, then by order of insertion`(seed: UInt64) {
        var chance = Generator(seed: seed)
        var queue = EventQueue<Int>(capacity: 4)
        var reference: [(time: Int64, id: Int)] = []
        var out: [Int] = []
        var expected: [Int] = []
        var next = 0
        for _ in 0..<20_000 {
            if chance.chance(55, in: 100) {
                let time = Int64(chance.below(500))
                queue.push(next, at: time)
                reference.append((time, next))
                next += 1
            } else if let (time, id) = queue.pop(until: 400) {
                out.append(id)
                let least = reference.indices.min { a, b in
                    (reference[a].time, reference[a].id) < (reference[b].time, reference[b].id)
                }!
                #expect(time == reference[least].time, "seed \(seed)")
                expected.append(reference.remove(at: least).id)
                if out.count > 400 { break }
            }
        }
        #expect(out == expected, "seed \(seed)")
        #expect(queue.count == reference.count)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `moments apart by nanoseconds and by hours come out in order`(seed: UInt64) {
        var chance = Generator(seed: seed)
        var queue = EventQueue<Int>(capacity: 4)
        var pending: [(time: Int64, id: Int)] = []
        var now: Int64 = 0
        var next = 0
        for round in 0..<4_000 {
            // Fills, then runs nearly dry, so that the wheel turns over empty stretches, too.
            if chance.chance(round / 500 % 2 == 0 ? 70 : 30, in: 100) {
                let time = now + Int64(chance.below(1_000)) << Int64(chance.below(34))
                queue.push(next, at: time)
                pending.append((time, next))
                next += 1
            } else if let (time, id) = queue.pop(until: .max) {
                let least = pending.min { ($0.time, $0.id) < ($1.time, $1.id) }!
                #expect(time == least.time && id == least.id, "seed \(seed), round \(round)")
                pending.removeAll { $0.id == id }
                now = time
            } else {
                #expect(pending.isEmpty)
            }
            #expect(queue.count == pending.count)
        }
        #expect(now > 3_600_000_000_000, "the test does not reach far")
    }

    @Test func `nothing later than the limit comes out`() {
        var queue = EventQueue<String>()
        queue.push("late", at: 11)
        queue.push("due", at: 10)
        let first = queue.pop(until: 10)?.payload
        let second = queue.pop(until: 10)?.payload
        let next = queue.nextTime
        #expect(first == "due")
        #expect(second == nil)
        #expect(next == 11)
    }

    @Test func `payloads are released with the queue`() {
        final class Token {}
        weak var watched: Token?
        do {
            var queue = EventQueue<Token>()
            let token = Token()
            watched = token
            queue.push(token, at: 5)
        }
        #expect(watched == nil)
    }
}

@Suite struct BytePoolTests {
    @Test func `blocks keep their bytes and are used again`() {
        var pool = BytePool()
        var chance = Generator(seed: 5)
        var live: [(UnsafeMutableRawPointer, [UInt8])] = []
        var isRight = true
        for _ in 0..<2_000 {
            if live.count < 200, chance.chance(3, in: 5) {
                let bytes = (0..<1 << chance.below(13)).map { UInt8(truncatingIfNeeded: $0) }
                live.append((bytes.withUnsafeBytes { pool.copy($0) }, bytes))
            } else if !live.isEmpty {
                let (block, bytes) = live.swapRemove(at: chance.below(live.count))
                let found = UnsafeRawBufferPointer(start: block, count: bytes.count)
                isRight = isRight && found.elementsEqual(bytes)
                pool.free(block, count: bytes.count)
            }
        }
        #expect(isRight)
    }
}

extension Array {
    fileprivate mutating func swapRemove(at i: Int) -> Element {
        swapAt(i, count - 1)
        return removeLast()
    }
}

@Suite struct TraceHashTests {
    func hash(_ words: [UInt64]) -> UInt64 {
        var hash = TraceHash()
        for word in words { hash.fold(word) }
        return hash.value
    }

    func hash(_ bytes: [UInt8]) -> UInt64 {
        var hash = TraceHash()
        bytes.withUnsafeBytes { hash.fold($0) }
        return hash.value
    }

    @Test func `order, count and every bit matter`() {
        #expect(hash([1, 2] as [UInt64]) != hash([2, 1] as [UInt64]))
        #expect(hash([0] as [UInt64]) != hash([0, 0] as [UInt64]))
        let bytes = (0..<61).map { UInt8($0) }
        #expect(hash(bytes) != hash(bytes + [0]))
        for i in 0..<bytes.count * 8 {
            var changed = bytes
            changed[i / 8] ^= 1 << UInt8(i % 8)
            #expect(hash(changed) != hash(bytes), "bit \(i)")
        }
    }

    @Test func `the seeds of two concerns, places and worlds differ`() {
        let numbers = [
            Seeds(1).number("a"), Seeds(1).number("b"), Seeds(2).number("a"),
            Seeds(1).number("a", 1), Seeds(1).number("a", 0, 1), Seeds(1).number("a", 1, 1),
        ]
        #expect(Set(numbers).count == numbers.count)
        #expect(Seeds(1).number("a", 1, 1) == Seeds(1).number("a", 1, 1))
    }
}
