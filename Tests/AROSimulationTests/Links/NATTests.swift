import ARONode
import AROPrimitives
import Testing

@testable import AROSimulation

private func host(_ n: UInt32, _ port: UInt16) -> SocketAddress {
    SocketAddress(ipv4: 0x2000_0000 + n << 8 + 1, port: port)
}

private func nat(
    _ mapping: NATDependence, _ filtering: NATDependence, timeout: Duration = .minutes(1)
) -> Translator {
    Translator(
        NATModel(mapping: mapping, filtering: filtering, timeout: timeout), isBlunt: false)
}

@Suite struct NATMapping {
    /// Outer ports towards two ports of one host and a port of another.
    private func ports(_ mapping: NATDependence) -> [UInt16] {
        var nat = nat(mapping, .endpointIndependent)
        return [host(1, 10), host(1, 20), host(2, 10), host(1, 10)].map {
            nat.sends(to: $0, innerPort: 4_001, at: .origin)
        }
    }

    @Test func `an endpoint-independent one shows all the same port`() {
        #expect(Set(ports(.endpointIndependent)) == [4_001])
    }

    @Test func `an address-dependent one shows each host another port`() {
        let found = ports(.addressDependent)
        #expect(found[0] == found[1])
        #expect(found[0] != found[2])
    }

    @Test func `a symmetric one shows each endpoint another port, always the same`() {
        let found = ports(.addressAndPortDependent)
        #expect(Set(found).count == 3)
        #expect(found[0] == found[3])
    }

    @Test func `a mapping that rests is forgotten, and the next has another port`() {
        var nat = nat(.endpointIndependent, .endpointIndependent)
        let first = nat.sends(to: host(1, 1), innerPort: 4_001, at: .origin)
        let kept = nat.sends(to: host(2, 1), innerPort: 4_001, at: .origin + .seconds(60))
        #expect(kept == first)
        #expect(nat.admits(host(9, 9), port: first, at: .origin + .seconds(120)))
        #expect(!nat.admits(host(9, 9), port: first, at: .origin + .seconds(121)))
        let next = nat.sends(to: host(1, 1), innerPort: 4_001, at: .origin + .seconds(121))
        #expect(next != first)
        #expect(!nat.admits(host(9, 9), port: first, at: .origin + .seconds(121)))
    }
}

@Suite struct NATFiltering {
    /// Whether an endpoint spoken to, its host's other port and a stranger get in.
    private func admitted(_ filtering: NATDependence) -> [Bool] {
        var nat = nat(.endpointIndependent, filtering)
        let port = nat.sends(to: host(1, 10), innerPort: 4_001, at: .origin)
        return [host(1, 10), host(1, 20), host(2, 10)].map {
            nat.admits($0, port: port, at: .origin + .seconds(1))
        }
    }

    @Test func `lets in as much as it is meant to`() {
        #expect(admitted(.endpointIndependent) == [true, true, true])
        #expect(admitted(.addressDependent) == [true, true, false])
        #expect(admitted(.addressAndPortDependent) == [true, false, false])
    }

    @Test func `nobody gets in where nothing was sent, or by another port`() {
        var nat = nat(.endpointIndependent, .endpointIndependent)
        #expect(!nat.admits(host(1, 1), port: 4_001, at: .origin))
        _ = nat.sends(to: host(1, 1), innerPort: 4_001, at: .origin)
        #expect(!nat.admits(host(1, 1), port: 4_002, at: .origin))
    }

    @Test func `what has expired is swept, what lives stays`() {
        var nat = nat(.addressAndPortDependent, .addressAndPortDependent)
        for i in 0..<5_000 {
            let now = Instant.origin + .seconds(Int64(i))
            let port = nat.sends(to: host(UInt32(i), 1), innerPort: 4_001, at: now)
            #expect(nat.admits(host(UInt32(i), 1), port: port, at: now + .seconds(60)))
        }
    }
}

@Suite struct NodesBehindNATs {
    private static let symmetric = NATPlan.Kind.symmetric.model(timeout: .minutes(1))
    private static let full = NATPlan.Kind.fullCone.model(timeout: .minutes(5))

    @Test func `one behind a symmetric NAT joins, and fetches from who is open`() throws {
        let mesh = Mesh(3)
        mesh.world.putBehindNAT(2, Self.symmetric)
        try mesh.join()
        #expect(try mesh.status(of: 2).sessions >= 1)
        let cid = try mesh.publish([1], on: 0)
        #expect(try mesh.fetch(cid, on: 2) == [1])
    }

    @Test func `two behind symmetric NATs cannot fetch from each other`() throws {
        let mesh = Mesh(5, seed: 3)
        for node in [3, 4] { mesh.world.putBehindNAT(node, Self.symmetric) }
        try mesh.join(over: .seconds(2))
        let cid = try mesh.publish([1, 2, 3], on: 3)
        // Both may have met before; a strange session is what a NAT keeps out.
        mesh.run(for: .minutes(3))
        let isFetched = (try? mesh.fetch(cid, on: 4)) != nil
        #expect(!isFetched || mesh.world.drops.filtered == 0)
        #expect(mesh.world.drops.filtered > 0)
    }

    @Test func `one behind a full cone can be reached by strangers`() throws {
        let mesh = Mesh(5, seed: 3)
        mesh.world.putBehindNAT(3, Self.full)
        try mesh.join(over: .seconds(2))
        let cid = try mesh.publish([1, 2, 3], on: 3)
        #expect(try mesh.fetch(cid, on: 4) == [1, 2, 3])
    }

    @Test func `in a world of messages a NAT knows its remote ends by node`() {
        var nat = Translator(Self.symmetric, isBlunt: true)
        let port = nat.sends(to: host(1, 4_001), innerPort: 4_001, at: .origin)
        #expect(port == nat.sends(to: host(2, 4_001), innerPort: 4_001, at: .origin))
        #expect(nat.admits(host(1, 4_001), port: 0, at: .origin))
        #expect(!nat.admits(host(3, 4_001), port: 0, at: .origin))
    }

    @Test func `the usual plan puts half of all nodes behind NATs`() {
        var chance = Generator(seed: 5)
        let drawn = (0..<10_000).map { _ in NATPlan.usual.draw(&chance) }
        let behind = drawn.compactMap { $0 }
        #expect(abs(behind.count - 5_000) < 200)
        let symmetric = behind.count { $0.mapping == .addressAndPortDependent }
        #expect(abs(symmetric - 1_000) < 120)
        #expect(behind.allSatisfy { $0.timeout >= .seconds(30) && $0.timeout <= .minutes(2) })
    }
}
