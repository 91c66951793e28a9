/// Posts of a scenario carry their number in the first four bytes of their payload, so that the copies of
/// each can be counted on their way: Plumtree's relative message redundancy needs that, and its last
/// delivery hop needs the hops that a POST says it has made. The layout is ``TopicMessage``'s.

import AROPrimitives
import AROWire

struct NumberedPost {
    let number: Int
    let hops: Int

    /// Bytes of the smallest payload that holds a number.
    static let numberByteCount = 4
    private static let post: UInt8 = 0x40
    private static let pathOffset = 33
    private static let payloadOffset = 146

    /// nil where the message is no post, or too short for a number.
    init?(_ message: RawSpan) {
        guard message.byteCount >= Self.payloadOffset + Self.numberByteCount,
            message.unsafeLoad(as: UInt8.self) == Self.post,
            let path = TopicPostPath(
                byte: message.unsafeLoad(fromByteOffset: Self.pathOffset, as: UInt8.self))
        else { return nil }
        var number = 0
        for i in 0..<Self.numberByteCount {
            let byte = message.unsafeLoad(fromByteOffset: Self.payloadOffset + i, as: UInt8.self)
            number = number << 8 | Int(byte)
        }
        self.number = number
        hops = path.hops
    }

    /// A payload with this number, filled up with zeros.
    static func payload(_ number: Int, byteCount: Int) -> [UInt8] {
        var payload: [UInt8] = []
        payload.appendU32(UInt32(number))
        while payload.count < byteCount { payload.append(0) }
        return payload
    }

    static func number(of payload: [UInt8]) -> Int? {
        guard payload.count >= numberByteCount else { return nil }
        return payload.prefix(numberByteCount).reduce(0) { $0 << 8 | Int($1) }
    }
}

/// How often each post was sent from one node to another.
struct PostCopies {
    private(set) var counts: [UInt64] = []

    /// Posts that are counted: more than any scenario asks for.
    private static let postsMax = 10_000_000

    mutating func count(_ message: RawSpan) {
        guard let post = NumberedPost(message), post.number < Self.postsMax else { return }
        while counts.count <= post.number { counts.append(0) }
        counts[post.number] += 1
    }
}
