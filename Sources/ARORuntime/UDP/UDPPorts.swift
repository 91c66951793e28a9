/// All sockets of a node: which one a datagram leaves through.
///
/// A reply leaves through the socket that its peer is known from, because the peer (and any NAT
/// between) expects it from there; an address not heard from leaves through the first socket that
/// can reach it. Confined to the loop's thread.

import AROPrimitives

struct UDPPorts {
    private(set) var ports: [UDPPort] = []
    /// Sends that no socket could make, and what sockets counted that are gone.
    private(set) var unsent = UDPCounters()
    /// Which socket a peer was last heard on: a direct-mapped cache, so that strangers cannot make
    /// it grow. Used only where a node has several sockets. 1,024 is a guess.
    private var heard: [(address: SocketAddress, port: Int)?] = []

    private static let heardMax = 1_024

    mutating func add(_ port: UDPPort) {
        ports.append(port)
        if ports.count == 2 { heard = Array(repeating: nil, count: Self.heardMax) }
    }

    /// A new socket takes the place of one that was closed.
    mutating func replace(_ index: Int, by port: UDPPort) {
        unsent = unsent + ports[index].counters
        ports[index] = port
    }

    var isBlocked: Bool { ports.contains { $0.isBlocked } }
    var counters: UDPCounters { ports.reduce(unsent) { $0 + $1.counters } }

    mutating func heard(_ address: SocketAddress, on port: Int) {
        guard ports.count > 1 else { return }
        heard[slot(address)] = (address, port)
    }

    mutating func send(_ bytes: UnsafeRawBufferPointer, segment: Int, to address: SocketAddress) {
        guard let port = port(for: address) else {
            return unsent.count(.noSocket, (bytes.count + segment - 1) / segment)
        }
        ports[port].send(bytes, segment: segment, to: address)
    }

    func retry() { for port in ports { port.retry() } }

    private func port(for address: SocketAddress) -> Int? {
        if ports.count > 1, let entry = heard[slot(address)], entry.address == address {
            return entry.port
        }
        return ports.firstIndex { $0.socket.reaches(address) }
    }

    private func slot(_ address: SocketAddress) -> Int {
        let mixed = (address.high ^ address.low ^ UInt64(address.port)) &* 0x9e37_79b9_7f4a_7c15
        return Int(mixed >> 54)  // the 10 bits of heardMax
    }
}
