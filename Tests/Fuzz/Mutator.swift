/// Inputs from a seed, without knowledge of the code: seeds with a few changes, or chance alone.

import AROPrimitives

struct Mutator {
    private var generator: Generator
    private let seeds: [[UInt8]]

    init(_ target: Target, seed: UInt64) {
        generator = Generator(seed: seed)
        seeds = target.seeds
    }

    mutating func next() -> [UInt8] {
        guard !seeds.isEmpty, generator.chance(7, in: 8) else {
            return noise(1 << generator.below(11))
        }
        var bytes = seeds[generator.below(seeds.count)]
        for _ in 0..<generator.below(5) { change(&bytes) }
        return bytes
    }

    private mutating func noise(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    private static let interesting: [UInt8] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff]

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes = noise(4) }
        let place = generator.below(bytes.count)
        switch generator.below(6) {
        case 0: bytes[place] ^= 1 << UInt8(generator.below(8))
        case 1: bytes[place] = Self.interesting[generator.below(Self.interesting.count)]
        case 2: bytes.removeLast(bytes.count - place)
        case 3: bytes.remove(at: place)
        case 4: bytes.insert(contentsOf: noise(1 + generator.below(8)), at: place)
        default:
            let end = min(place + 1 + generator.below(32), bytes.count)
            bytes.insert(contentsOf: bytes[place..<end], at: generator.below(bytes.count))
        }
    }
}
