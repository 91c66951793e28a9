/// Two whole nodes, packets and all: what a node says in parting reaches the other.

import AROCrypto
import ARONode
import AROPrimitives
import AROWire
import Testing

@Suite struct GoodbyeTests {
    private final class Host {
        var node: Node
        let address: SocketAddress
        var replies: [Reply] = []

        init(_ node: consuming Node, _ address: SocketAddress) {
            self.node = node
            self.address = address
        }
    }

    private final class Couple {
        let hosts: [Host]
        private var now = Instant.origin
        /// Each takes a millisecond.
        /// Hears and says nothing any more.
        var isDead: Int?
        private var wire: [(at: Instant, to: Int, bytes: [UInt8])] = []

        init() {
            hosts = [UInt8(1), 2].map { number in
                let address = SocketAddress(ipv4: 0x2000_0001 + UInt32(number) << 8, port: 4_001)
                var configuration = Configuration()
                configuration.addresses = [address]
                let node = Node(
                    configuration: configuration,
                    identity: Identity(
                        seed: SecretKey(copying: [UInt8](repeating: number, count: 32))),
                    entropy: Entropy(seed: Bits256(UInt64(number), 1, 1, 1)),
                    seed: UInt64(number), at: .origin, wallClock: UnixTime(seconds: 1_800_000_000))
                return Host(node, address)
            }
        }

        func tell(_ input: borrowing Input, to i: Int) {
            guard i != isDead else { return }
            var outbox = Outbox()
            hosts[i].node.handle(input, at: now, into: &outbox)
            hosts[i].node.flush(at: now, into: &outbox)
            for run in outbox.packets.runs where run.address == hosts[1 - i].address {
                let end = run.start + run.count
                for start in stride(from: run.start, to: end, by: run.segment) {
                    let packet = Array(outbox.packets.bytes[start..<min(start + run.segment, end)])
                    wire.append((now + .milliseconds(1), 1 - i, packet))
                }
            }
            for effect in outbox.effects {
                if case .reply(_, let reply) = effect { hosts[i].replies.append(reply) }
            }
        }

        func run(_ time: Duration) {
            let end = now + time
            while true {
                let wakes = [0, 1].map {
                    $0 == isDead
                        ? .distantFuture : hosts[$0].node.nextDeadline?.at ?? .distantFuture
                }
                let next = min(wire.first?.at ?? .distantFuture, wakes[0], wakes[1])
                guard next <= end else { break }
                now = max(now, next)
                if let packet = wire.first, packet.at <= now {
                    wire.removeFirst()
                    tell(
                        .datagram(packet.bytes.span.bytes, from: hosts[1 - packet.to].address),
                        to: packet.to)
                } else {
                    tell(.deadline, to: wakes[0] <= wakes[1] ? 0 : 1)
                }
            }
            now = end
        }

        func sessions(of i: Int) -> Int {
            hosts[i].replies.removeAll()
            tell(.request(.status, RequestID(number: 98)), to: i)
            guard case .status(let status)? = hosts[i].replies.last else { return -1 }
            return status.sessions
        }

        func members(of i: Int) -> [MemberStatus] {
            hosts[i].replies.removeAll()
            tell(.request(.members, RequestID(number: 99)), to: i)
            guard case .members(let members)? = hosts[i].replies.last else { return [] }
            return members
        }
    }

    @Test func theSessionOfAPeerThatDiedEndsWithTheVerdict() {
        let couple = Couple()
        couple.tell(
            .request(.join([couple.hosts[0].address]), RequestID(number: 1)), to: 1)
        couple.run(.seconds(10))
        #expect(couple.sessions(of: 0) == 1)
        couple.isDead = 1
        couple.run(.seconds(15))
        #expect(couple.members(of: 0).map(\.state) == [.failed])
        #expect(couple.sessions(of: 0) == 0, "long before it would be idle")
    }

    @Test func whoShutsDownHasLeftForTheOthers() {
        let couple = Couple()
        couple.tell(
            .request(.join([couple.hosts[0].address]), RequestID(number: 1)), to: 1)
        couple.run(.seconds(10))
        #expect(couple.members(of: 0).map(\.state) == [.alive])
        couple.tell(.shutdown, to: 1)
        couple.run(.milliseconds(500))
        #expect(couple.members(of: 0).map(\.state) == [.left])
    }
}
