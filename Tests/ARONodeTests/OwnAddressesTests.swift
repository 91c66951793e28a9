import AROPrimitives
import AROWire
import Testing

@testable import ARONode

@Suite("What peers say of our address")
struct OwnAddressesTests {
    private static let own = SocketAddress(ipv4: 0xc633_6401, port: 4_002)
    private static let other = SocketAddress(ipv4: 0xc633_6402, port: 9_000)
    private static let six = SocketAddress(
        high: 0x2001_0db8_0000_0000, low: 1, port: 4_002)

    private func reported(
        _ reports: [SocketAddress], listening: [SocketAddress] = [own, six]
    ) -> NATClass {
        var addresses = OwnAddresses(listening: listening)
        for (i, address) in reports.enumerated() {
            _ = addresses.reported(address, by: PeerHandle(index: UInt32(i)))
        }
        return addresses.nat
    }

    @Test("one reporter decides nothing, two that agree do")
    func agreement() {
        #expect(reported([]) == .unknown)
        #expect(reported([Self.own]) == .unknown)
        #expect(reported([Self.own, Self.own]) == .open)
        #expect(reported([Self.other, Self.other]) == .endpointIndependent)
        #expect(reported([Self.own, Self.other]) == .unknown)
    }

    @Test("a liar changes nothing while most agree")
    func liars() {
        #expect(reported([Self.own, Self.other, Self.own]) == .open)
        #expect(reported([Self.other, Self.own, Self.other]) == .endpointIndependent)
        var addresses = OwnAddresses(listening: [Self.own])
        for _ in 0..<9 { _ = addresses.reported(Self.own, by: PeerHandle(index: 1)) }
        #expect(addresses.nat == .unknown, "one peer counts once")
    }

    @Test("ports that differ from peer to peer are a translator that depends on them")
    func symmetric() {
        let ports = (0..<4).map { SocketAddress(ipv4: 0xc633_6402, port: 9_000 + $0) }
        #expect(reported(ports) == .addressAndPortDependent)
    }

    @Test("families are judged apart: IPv6 that is open does not make IPv4 so, nor the contrary")
    func families() {
        #expect(reported([Self.six, Self.six]) == .open)
        #expect(reported([Self.six, Self.other, Self.six, Self.other]) == .endpointIndependent)
        #expect(reported([Self.six, Self.own, Self.six, Self.own, Self.six]) == .open)
        #expect(reported([Self.six, Self.six, Self.other]) == .open)
    }
}
