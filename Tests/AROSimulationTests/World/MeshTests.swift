import ARONode
import AROPrimitives
import Testing

@testable import AROSimulation

@Suite struct MeshTests {
    @Test func `two nodes meet and one fetches what the other publishes`() throws {
        let pair = Pair()
        try pair.connect()
        let bytes = Array("hello, other side".utf8)
        let cid = try pair.publish(bytes, on: pair.first)
        #expect(try pair.fetch(cid, on: pair.second) == bytes)
    }

    @Test func `everyone resolves and fetches what anyone publishes, over lossy links`() throws {
        var network = NetworkModel.constant(.milliseconds(40))
        network.loss = .independent(.percent(5))
        let mesh = Mesh(12, seed: 4, network: network)
        try mesh.join(over: .seconds(5))
        let bytes = (0..<3_000).map { UInt8(truncatingIfNeeded: $0) }
        let cid = try mesh.publish(bytes, on: 3)
        #expect(mesh.nodesThatCannotResolve(cid, heldBy: [3]) == [])
        #expect(try mesh.fetch(cid, on: 7) == bytes)
    }

    @Test func `a mesh repeats itself from its seed`() throws {
        func run(_ seed: UInt64) throws -> TraceHash {
            let mesh = Mesh(6, seed: seed)
            try mesh.join(over: .seconds(1))
            _ = try mesh.publish([1, 2, 3], on: 2)
            return mesh.trace
        }
        #expect(try run(1) == run(1))
        #expect(try run(1) != run(2))
    }

    @Test func `a question that nobody answers times out`() throws {
        let mesh = Mesh(1)
        let nowhere = SocketAddress(ipv4: 0x2020_2020, port: 9)
        #expect(throws: Mesh.Failure.self) {
            try mesh.request(.join([nowhere]), of: 0, within: .minutes(2))
        }
    }
}
