/// What a gateway is started with, and its bounds.

import AROPrimitives
import ARORuntime

public struct GatewayConfiguration: Sendable {
    /// Where to listen; port 0 takes a free one.
    public var address: SocketAddress
    /// Listen on an address that others can reach. Then everything but content and `/healthz` needs
    /// the token.
    public var allowsRemote = false
    /// `/v1` and `/mcp` need the token too.
    public var requiresToken = false
    /// Names under which the gateway may be spoken to, beside those of this machine and its address.
    public var hosts: [String] = []
    public var limits = GatewayLimits()

    public init(address: SocketAddress) { self.address = address }
}

/// The gateway's bounds. Times are guesses unless said otherwise.
public struct GatewayLimits: Sendable {
    /// Connections at a time; the one idle for longest makes way for the next. Each costs a file
    /// descriptor, of which a process often has 1,024 (getrlimit(2)), and some 20 KiB.
    public var connectionsMax = 512
    /// For the head of a request, and between two requests.
    public var idleSeconds: Int64 = 30
    /// For a reader that takes nothing of its answer.
    public var stallSeconds: Int64 = 60
    /// Between two pieces of a body.
    public var bodyPauseSeconds: Int64 = 20
    /// For a whole JSON body, so that one cannot be dripped in.
    public var bodySeconds: Int64 = 60
    /// Bytes of a request's headers: NIO's default.
    public var headerBytesMax = 80 << 10
    /// Headers of a request. Browsers send some 20.
    public var headersMax = 100
    /// Bytes of a JSON body: what a call may carry between nodes.
    public var bodyBytesMax = 16 << 20
    /// Bytes of a path with its query.
    public var targetBytesMax = 8 << 10
    /// To find the first bytes of content. A public IPFS gateway gives up after about as long.
    public var resolveSeconds: Int64 = 60

    public init() {}
}

/// Why a gateway could not be started.
public enum GatewayFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case notLoopback(SocketAddress)
    case cannotListen(SocketAddress, String)
    case token(String)

    public var description: String {
        switch self {
        case .notLoopback(let address):
            "the gateway listens on this machine only; \(address.hostDescription) can be reached "
                + "by others (--gateway-allow-remote allows it)"
        case .cannotListen(let address, let why): "the gateway cannot listen on \(address): \(why)"
        case .token(let why): "the gateway's token cannot be written: \(why)"
        }
    }
}
