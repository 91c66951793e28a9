/// The main job in a simulated world: join by an address, publish, resolve by hash, fetch.

import AROContent
import ARONode
import AROPrimitives
import AROSimulation
import AROWire
import Testing

@Suite struct FirstNetworkTests {
    @Test func aNodeJoinsThroughTheAddressOfAnother() throws {
        let pair = Pair()
        try pair.connect()
        #expect(try pair.peers(of: pair.first).map(\.id) == [pair.id(of: pair.second)])
        #expect(try pair.peers(of: pair.second).map(\.id) == [pair.id(of: pair.first)])
        #expect(try pair.status(of: pair.second).tablePeers == 1)
    }

    @Test func aBootstrapAddressWhereNobodyIsFailsWithThatAddress() throws {
        let pair = Pair()
        let nobody = SocketAddress("10.9.9.9:1")!
        #expect(throws: Mesh.Failure.self) {
            try pair.request(.join([nobody]), of: pair.second)
        }
    }

    @Test func whatOnePublishesTheOtherFetchesByHash() throws {
        let pair = Pair()
        try pair.connect()
        let bytes = [UInt8](repeating: 7, count: 300_000)
        let cid = try pair.publish(bytes, on: pair.first)
        #expect(try pair.fetch(cid, on: pair.second) == bytes)
    }
}
