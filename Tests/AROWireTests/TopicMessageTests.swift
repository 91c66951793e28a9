import AROCrypto
import AROPrimitives
import Testing

@testable import AROWire

@Suite("The messages of topics")
struct TopicMessageTests {
    static let topic = TopicID(name: "weather")!
    static let now = UnixTime(seconds: 1_800_000_000)

    static func post(_ payload: [UInt8], sequence: UInt64 = 7) -> TopicPost {
        TopicPost(
            topic: topic, payload: payload, sequence: sequence, issued: now,
            signedBy: RecordTests.identity(1))
    }

    private static func name(_ publisher: UInt64, _ sequence: UInt64) -> TopicPostName {
        TopicPostName(publisher: PeerID(key: Bits256(publisher, 0, 0, 1)), sequence: sequence)
    }

    static var samples: [TopicMessage] {
        let posts = [
            name(1, 0), name(1, 1), name(1, 300), name(2, 5), name(9, (1 << 62) - 1),
        ]
        let haves = posts.map { TopicHave($0, hops: Int($0.sequence % 64)) }
        let states = [
            TopicDigest.State(publisher: PeerID(key: Bits256(1, 0, 0, 0)), base: 5, span: 0),
            TopicDigest.State(
                publisher: PeerID(key: Bits256(2, 0, 0, 0)), base: 1 << 62, span: 1_024),
        ]
        let digest = TopicDigest(
            isAnswer: true, leavesOut: false, horizon: .milliseconds(12_345), states: states)
        let empty = TopicDigest(isAnswer: false, leavesOut: true, horizon: .zero, states: [])
        return [
            .post(topic, post([]), TopicPostPath(hops: 0)),
            .post(topic, post([1, 2, 3]), TopicPostPath(hops: 63, isMended: true)),
            .have(topic, haves, settled: false), .have(topic, [haves[0]], settled: true),
            .graft(topic, [], pushes: true), .graft(topic, posts, pushes: false),
            .prune(topic), .digest(topic, digest), .digest(topic, empty),
        ]
    }

    private func decode(_ bytes: [UInt8]) -> Result<TopicMessage, DecodingFailure> {
        do throws(DecodingFailure) {
            return .success(try TopicMessage(decoding: bytes.span.bytes))
        } catch { return .failure(error) }
    }

    @Test("every message reads back as it was written, within a datagram")
    func roundTrip() {
        for message in Self.samples {
            let bytes = message.bytes
            #expect(decode(bytes) == .success(message))
            #expect(bytes.count <= WireLimits.messageMax)
            #expect(bytes[0] & 0xf0 == MessageFamily.topic.rawValue)
        }
    }

    @Test("the layout is the one documented")
    func layout() {
        let topic = Self.topic.bits.bytes
        #expect(TopicMessage.prune(Self.topic).bytes == [0x43] + topic)
        let graft = TopicMessage.graft(
            Self.topic, [Self.name(1, 5), Self.name(1, 7)], pushes: true)
        let publisher = Bits256(1, 0, 0, 1).bytes
        #expect(
            graft.bytes == [0x42] + topic + [1] + publisher + [2, 0, 0, 0, 0, 0, 0, 0, 5, 2])
        let have = TopicMessage.have(
            Self.topic, [TopicHave(Self.name(1, 5), hops: 9)], settled: false)
        #expect(have.bytes == [0x41] + topic + [0] + publisher + [1, 0, 0, 0, 0, 0, 0, 0, 5, 9])
        let post = TopicMessage.post(Self.topic, Self.post([0xaa]), TopicPostPath(hops: 3)).bytes
        #expect(post.count == TopicPostHead.byteCount + 1)
        #expect(post[33] == 3)
        #expect(Array(post[34..<66]) == RecordTests.identity(1).id.key.bytes)
        #expect(post.last == 0xaa)
    }

    @Test("the largest payload fits a message, and a larger one is refused")
    func payloadBound() {
        let largest = Self.post(Array(repeating: 7, count: WireLimits.topicPayloadMax))
        let bytes = TopicMessage.post(Self.topic, largest, TopicPostPath(hops: 1)).bytes
        #expect(bytes.count <= WireLimits.messageMax)
        #expect(decode(bytes) == .success(.post(Self.topic, largest, TopicPostPath(hops: 1))))
        #expect(decode(bytes + [0]) == .failure(.outOfBounds))
    }

    @Test("a post's signature covers topic, publisher, number, time and payload, and not the hops")
    func signatures() {
        let post = Self.post([1, 2, 3])
        func verifies(_ post: TopicPost, _ topic: TopicID = Self.topic) -> Bool {
            post.head.verifies(topic, post.payload.span.bytes)
        }
        #expect(verifies(post))
        #expect(!verifies(post, TopicID(name: "else")!))
        var other = post
        other.payload[0] ^= 1
        #expect(!verifies(other))
        other = post
        other.head.sequence += 1
        #expect(!verifies(other))
        other = post
        other.head.issued = other.head.issued + .seconds(1)
        #expect(!verifies(other))
        other = post
        other.head.publisher = RecordTests.identity(2).id
        #expect(!verifies(other))
    }

    @Test("topics are named by 1 to 255 bytes, and their places in the DHT differ from their ids")
    func names() {
        #expect(TopicID(name: "") == nil)
        #expect(TopicID(name: String(repeating: "a", count: 256)) == nil)
        let longest = TopicID(name: String(repeating: "a", count: 255))
        #expect(longest != nil && longest != Self.topic)
        #expect(Self.topic == TopicID(name: "weather"))
        #expect(Self.topic.dhtKey.bits != Self.topic.bits)
    }

    @Test("a message that is cut short anywhere is refused, or is another whole one")
    func truncated() {
        for message in Self.samples {
            let bytes = message.bytes
            for count in 0..<bytes.count {
                guard case .success(let read) = decode(Array(bytes.prefix(count))) else { continue }
                #expect(read.bytes == Array(bytes.prefix(count)))
                #expect(read != message)
            }
        }
        #expect(decode(TopicMessage.prune(Self.topic).bytes + [0]) == .failure(.trailingBytes))
        #expect(decode([]) == .failure(.truncated))
    }

    @Test("unknown kinds and flags, wrong orders and numbers out of bounds are refused")
    func refusals() {
        let topic = Self.topic.bits.bytes
        let publisher = Bits256(1, 0, 0, 1).bytes
        let zeros: [UInt8] = Array(repeating: 0, count: 7)
        #expect(decode([0x45] + topic) == .failure(.unknown))
        #expect(decode([0x42] + topic + [2]) == .failure(.unknown))
        #expect(decode([0x44] + topic + [4, 0, 0, 0, 0]) == .failure(.unknown))
        // No post at all, none of a publisher, the same post twice, a number that is too large.
        #expect(decode([0x41] + topic + [0]) == .failure(.truncated))
        #expect(decode([0x42] + topic + [0] + publisher + [0]) == .failure(.outOfBounds))
        #expect(
            decode([0x42] + topic + [0] + publisher + [2] + zeros + [5, 0])
                == .failure(.outOfBounds))
        #expect(
            decode([0x42] + topic + [0] + publisher + [1, 0x40] + zeros)
                == .failure(.outOfBounds))
        let group = publisher + [1] + zeros + [5]
        #expect(decode([0x42] + topic + [0] + group + group) == .failure(.notCanonical))
        let steps = [UInt8](repeating: 1, count: 128)
        #expect(
            decode([0x42] + topic + [0] + publisher + [129] + zeros + [5] + steps)
                == .failure(.outOfBounds))
        let state = publisher + [0] + zeros + [0]
        let header = [0x44] + topic + [0, 0, 0, 0, 0]
        #expect(decode(header + state + state) == .failure(.notCanonical))
        #expect(decode(header + publisher + [0] + zeros + [0x44, 1]) == .failure(.outOfBounds))
        var hops = TopicMessage.post(Self.topic, Self.post([]), TopicPostPath(hops: 0)).bytes
        hops[33] = 64
        #expect(decode(hops) == .failure(.outOfBounds))
        let oversized: [UInt8] = Array(repeating: 0x42, count: WireLimits.messageMax + 1)
        #expect(decode(oversized) == .failure(.outOfBounds))
    }

    @Test("a bit-flipped message is refused, or reads as what its bytes say")
    func bitFlips() {
        for message in Self.samples {
            let bytes = message.bytes
            for bit in 0..<(bytes.count * 8) {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                guard case .success(let read) = decode(flipped) else { continue }
                #expect(read.bytes == flipped, "one encoding each, bit \(bit)")
                #expect(read != message)
            }
        }
    }

    @Test("random bytes never trap, and what is read is written the same")
    func randomBytes() {
        let seed: UInt64 = 17
        var generator = Generator(seed: seed)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(220)).map { _ in UInt8(generator.below(256)) }
            if bytes.count > 75 {
                // Begin like a message, to get further.
                bytes[0] = 0x40 + UInt8(generator.below(5))
                bytes[33] &= 1
                bytes[66] = UInt8(1 + generator.below(3))
                bytes[67] = 0
            }
            guard case .success(let message) = decode(bytes) else { continue }
            read += 1
            #expect(message.bytes == bytes, "seed \(seed)")
        }
        #expect(read > 0)
    }
}
