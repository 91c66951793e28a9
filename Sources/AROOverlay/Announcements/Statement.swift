/// A statement that was verified, decoded once. By reference and immutable: the directory's rows move
/// about, and what is asked of a statement often (its coordinate, whether its author serves the DHT)
/// is not decoded again.

import AROPrimitives
import AROWire

final class Statement: Sendable {
    let announcement: Announcement
    /// As it came, to be passed on.
    let bytes: [UInt8]
    /// Where its author stands on the key ring.
    let place: UInt64
    /// One bit for each hash of a model's name: most rows need not be read for a model.
    let models: UInt64

    var sequence: UInt64 { announcement.sequence }

    init(_ announcement: Announcement, bytes: [UInt8], place: UInt64) {
        (self.announcement, self.bytes, self.place) = (announcement, bytes, place)
        models = ModelMask.of(announcement.offer.models)
    }
}

/// The newest verified statements of each peer, for the nodes of a simulated world, whose hundred
/// thousand directories would else each verify and keep the same statements. A node of its own has
/// none, as its directory never sees a statement twice.
///
/// Only bytes that equal verified ones in full are taken for verified, or, where the pool keeps
/// these no more, bytes with the same hash of 128 bits. Everything else that a node checks of a
/// statement, it checks itself.
public final class StatementPool {
    /// ``kept`` places for each peer, the newest first.
    private var statements: [Statement?] = []
    /// The hashes of all that was verified. Asked, never iterated.
    private var verified: Set<Fingerprint> = []
    private let hash: (first: KeyedHash, second: KeyedHash)
    /// Where those of a peer begin. Asked, never iterated.
    private var firsts: [PeerID: Int] = [:]

    /// A newcomer states what it offers several times, as it learns of its address and place, while
    /// the first are still under way. A guess.
    private static let kept = 4
    /// Hashes that are kept; then all are forgotten. A guess: 200 MB.
    private static let verifiedMax = 1 << 22

    private struct Fingerprint: Hashable {
        var first, second: UInt64
    }

    public init() {
        // No secret: nobody in a simulated world forges statements for this hash.
        var generator = Generator(seed: 0)
        hash = (KeyedHash(from: &generator), KeyedHash(from: &generator))
    }

    /// About: what statements own, and the list.
    public var byteCount: Int {
        var count = statements.heapByteCount
        count += verified.capacity * MemoryLayout<Fingerprint>.stride * 4 / 3
        for case let statement? in statements {
            count += MemoryLayout<Announcement>.size + 24 + statement.bytes.heapByteCount
            count += statement.announcement.offer.addresses.heapByteCount
        }
        return count
    }

    /// The verified statement of these bytes.
    func statement(_ bytes: [UInt8], of peer: PeerID) -> Statement? {
        guard let first = firsts[peer] else { return nil }
        for i in first..<first + Self.kept {
            if let known = statements[i], Self.areEqual(known.bytes, bytes) { return known }
        }
        return nil
    }

    /// Whether these bytes were verified before.
    func hasVerified(_ bytes: [UInt8]) -> Bool { verified.contains(fingerprint(bytes)) }

    private func fingerprint(_ bytes: [UInt8]) -> Fingerprint {
        bytes.withUnsafeBytes { bytes in
            var print = Fingerprint(first: UInt64(bytes.count), second: UInt64(bytes.count))
            for i in stride(from: 0, to: bytes.count, by: 8) {
                var word: UInt64 = 0
                for byte in bytes[i..<min(i + 8, bytes.count)] { word = word << 8 | UInt64(byte) }
                print.first = hash.first(print.first, word)
                print.second = hash.second(print.second, word)
            }
            return print
        }
    }

    /// Keeps a statement whose signature was verified, or made.
    func keep(_ statement: Statement) {
        if verified.count >= Self.verifiedMax { verified.removeAll() }
        verified.insert(fingerprint(statement.bytes))
        let places = places(of: statement.announcement.peer)
        let sequence = statement.announcement.sequence
        guard
            let at = places.first(where: { statements[$0].map { $0.sequence < sequence } ?? true })
        else { return }
        var i = places.upperBound - 1
        while i > at {
            statements[i] = statements[i - 1]
            i -= 1
        }
        statements[at] = statement
    }

    private func places(of peer: PeerID) -> Range<Int> {
        if let first = firsts[peer] { return first..<first + Self.kept }
        let first = statements.count
        firsts[peer] = first
        for _ in 0..<Self.kept { statements.append(nil) }
        return first..<first + Self.kept
    }

    /// Word by word, as `==` goes byte by byte.
    private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return a.withUnsafeBytes { a in
            b.withUnsafeBytes { b in
                var difference: UInt64 = 0
                var i = 0
                while i + 8 <= a.count {
                    difference |=
                        a.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                        ^ b.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                    i += 8
                }
                while i < a.count {
                    difference |= UInt64(a[i] ^ b[i])
                    i += 1
                }
                return difference == 0
            }
        }
    }
}
