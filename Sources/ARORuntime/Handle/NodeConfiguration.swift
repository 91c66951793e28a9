/// What a node on this machine is started with.

import ARONode
import AROPrimitives
import AROWire
import Logging

public struct NodeConfiguration: Sendable {
    /// Where to listen; port 0 takes a free one. An unspecified IPv6 address (`[::]`) takes IPv4
    /// too. At most ``listenMax``.
    public var listen: [SocketAddress]
    /// Peers to join the network through; none for the first node of a network.
    public var bootstrap: [HostPort]
    /// The path of the data directory; `~` is understood.
    public var dataDirectory: String
    /// Bytes of content to keep at most; nil for ``StoreOptions/quotaDefault``, or a tenth of the
    /// disk where that is less.
    public var quota: UInt64?
    /// The numbers of the protocols.
    public var node: Configuration
    /// The model servers behind the node; nil for none.
    public var models: (any ModelServicing)?
    /// The most that calls may cost whose callers do not say; nothing, unless said.
    public var priceMax = TokenPrice.free
    public var logger: Logger

    /// A guess: two families on a handful of interfaces.
    public static let listenMax = 16
    /// The port of a node that names none. Unassigned at IANA, where it is free for all: IPFS nodes
    /// use 4001, so the next one up.
    public static let defaultPort: UInt16 = 4002
    public init(
        listen: [SocketAddress] = [SocketAddress(high: 0, low: 0, port: defaultPort)],
        bootstrap: [HostPort] = [],
        dataDirectory: String = StandardPaths.dataDirectory(),
        quota: UInt64? = nil,
        node: Configuration = Configuration(),
        logger: Logger = Logger(label: "aro")
    ) {
        (self.listen, self.bootstrap, self.dataDirectory) = (listen, bootstrap, dataDirectory)
        (self.quota, self.node, self.logger) = (quota, node, logger)
    }
}

/// Why a node could not be started.
public enum StartFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case addressInUse(SocketAddress)
    case addressUnavailable(SocketAddress)
    case portForbidden(SocketAddress)
    case socket(SystemFailure)
    case listenCount(Int)

    public var description: String {
        switch self {
        case .addressInUse(let address):
            "\(address) is in use by another program; choose another by --listen "
                + "(port 0 takes a free one)"
        case .addressUnavailable(let address):
            "\(address.hostDescription) is no address of this machine"
        case .portForbidden(let address): "not allowed to listen on port \(address.port)"
        case .socket(let failure): "cannot \(failure)"
        case .listenCount(let count):
            "\(count) addresses to listen on; from 1 to \(NodeConfiguration.listenMax) are possible"
        }
    }
}
