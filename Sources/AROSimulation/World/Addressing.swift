/// Addresses of simulated nodes. Unless given one, node `n` lives in a /24 of its own in
/// 32.0.0.0/3, public space without special ranges: the per-network caps of the routing table then
/// see as many operators as nodes, and the way from address to node is arithmetic.

import AROPrimitives

struct Addressing {
    static let port: UInt16 = 4001
    private static let firstNetwork: UInt32 = 32 << 16
    /// 32.0.0.0 to 95.255.255.255.
    static let nodesMax = 1 << 22

    /// Where a node is that was put elsewhere than its own /24. Asked, never iterated.
    private var elsewhere: [SocketAddress: Int] = [:]
    private(set) var current: [SocketAddress] = []

    var heapByteCount: Int { current.heapByteCount }

    /// The address of node `node` after so many moves within its network.
    static func own(_ node: Int, moves: Int) -> SocketAddress {
        let host = UInt32(1 + moves % 254)
        let network = firstNetwork + UInt32(node)
        return SocketAddress(ipv4: network << 8 | host, port: port + UInt16(moves / 254 % 1_000))
    }

    mutating func add(_ address: SocketAddress?) {
        precondition(current.count < Self.nodesMax, "more nodes than addresses")
        current.append(Self.own(current.count, moves: 0))
        if let address { put(current.count - 1, at: address) }
    }

    /// Moves a node to `address`, or to a new one in its own network.
    mutating func move(_ node: Int, to address: SocketAddress?, moves: Int) {
        elsewhere[current[node]] = nil
        if let address {
            put(node, at: address)
        } else {
            current[node] = Self.own(node, moves: moves)
        }
    }

    private mutating func put(_ node: Int, at address: SocketAddress) {
        precondition(!address.isUnusable, "\(address) names no host")
        precondition(self.node(at: address) ?? node == node, "\(address) is taken")
        current[node] = address
        elsewhere[address] = node
    }

    /// Who has this address, whatever the port: the node behind a NAT of its own.
    func host(at address: SocketAddress) -> Int? {
        guard address.isIPv4 else { return nil }
        let place = Int(address.ipv4 >> 8) - Int(Self.firstNetwork)
        guard current.indices.contains(place), current[place].low == address.low else { return nil }
        return place
    }

    /// Who has this address now.
    func node(at address: SocketAddress) -> Int? {
        if address.isIPv4 {
            let place = Int(address.ipv4 >> 8) - Int(Self.firstNetwork)
            if current.indices.contains(place), current[place] == address { return place }
        }
        return elsewhere.isEmpty ? nil : elsewhere[address]
    }
}
