import AROPrimitives
import AROWire
import Testing

@testable import AROTransport

/// When an initiation that was not answered goes again.
@Suite("Retransmission of initiations")
struct RetransmissionTests {
    /// A node that was started long enough ago not to challenge first messages.
    private func addNode(to world: TestWorld) -> TestNode {
        let node = world.add()
        world.run(for: .seconds(1))
        return node
    }

    /// Connects `a` to so many new nodes, one after the other.
    private func greet(_ count: Int, by a: TestNode, in world: TestWorld) {
        for _ in 0..<count {
            let b = addNode(to: world)
            world.connect(a, to: b)
            world.run(for: .seconds(1))
        }
    }

    /// Connects `a` to a new node while its first datagram is lost; how long that takes.
    private func timeWithFirstLost(by a: TestNode, in world: TestWorld) -> Duration {
        let b = addNode(to: world)
        var isFirst = true
        world.tamper = { datagram in
            defer { if datagram.to == b.address { isFirst = false } }
            return datagram.to == b.address && isFirst ? [] : [datagram]
        }
        let start = world.now
        let before = a.connected.count
        world.connect(a, to: b)
        world.run(for: .seconds(5)) { a.connected.count > before }
        world.tamper = { [$0] }
        return world.now - start
    }

    private func initiations(to address: SocketAddress, in world: TestWorld) -> Int {
        world.sent.count {
            $0.to == address && $0.bytes[0] == PacketType.initiationIK.rawValue
        }
    }

    @Test("The first one waits for the longest time, later ones as long as others' round trips say")
    func adapts() {
        let world = TestWorld()
        let a = world.add()
        let unknowing = timeWithFirstLost(by: a, in: world)
        #expect(unknowing >= .milliseconds(520))
        greet(10, by: a, in: world)
        let knowing = timeWithFirstLost(by: a, in: world)
        #expect(knowing >= .milliseconds(70), "the least pause and a round trip")
        #expect(knowing <= .milliseconds(120))
    }

    @Test("Where all peers have become slower, their initiations are soon sent once again")
    func followsUp() {
        let world = TestWorld()
        let a = world.add()
        greet(10, by: a, in: world)
        world.link.latency = .milliseconds(150)
        world.sent = []
        greet(1, by: a, in: world)
        let first = world.nodes.last!.address
        #expect(initiations(to: first, in: world) > 1, "repeated, as nothing told otherwise")
        greet(30, by: a, in: world)
        world.sent = []
        greet(1, by: a, in: world)
        let last = world.nodes.last!.address
        #expect(initiations(to: last, in: world) == 1)
    }

    @Test("No delay of answers makes the pause longer than its bound")
    func isBounded() {
        let world = TestWorld()
        let a = world.add()
        world.link.latency = .milliseconds(2_000)
        greet(10, by: a, in: world)
        world.link.latency = .milliseconds(10)
        #expect(timeWithFirstLost(by: a, in: world) <= .milliseconds(600))
    }
}
