/// `CID` or `CID/path/into/directories`, and the other names that users type.

import ARO
import ArgumentParser

struct ContentPath: Hashable {
    var root: CID
    var path: [String]

    /// Also understood: `ipfs://CID/path` and `/ipfs/CID/path`, as IPFS tools print them.
    init(_ text: String) throws(CIDFailure) {
        var rest = Substring(text)
        for prefix in ["ipfs://", "/ipfs/"] where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        root = try CID(parts[0])
        path = parts.dropFirst().filter { !$0.isEmpty }.map(String.init)
    }
}

/// Readers of what users type; each says what is wrong with it.
enum Typed {
    @Sendable static func content(_ text: String) throws -> ContentPath { try ContentPath(text) }

    @Sendable static func cid(_ text: String) throws -> CID { try CID(text) }

    @Sendable static func peer(_ text: String) throws -> PeerID {
        guard let peer = PeerID(text) else {
            throw ValidationError("a peer is named as 'aro id' prints it: bafzaa…")
        }
        return peer
    }

    @Sendable static func listenAddress(_ text: String) throws -> SocketAddress {
        guard let address = SocketAddress(text) else {
            throw ValidationError(
                "say IP:PORT or [IPV6]:PORT, for instance 0.0.0.0:4002 or 127.0.0.1:0")
        }
        return address
    }

    @Sendable static func hostPort(_ text: String) throws -> HostPort {
        guard let host = HostPort(text) else {
            throw ValidationError("say HOST:PORT, IP:PORT or [IPV6]:PORT")
        }
        return host
    }

    @Sendable static func peerName(_ text: String) throws -> PeerName {
        guard let slash = text.firstIndex(of: "/"), text.index(after: slash) < text.endIndex else {
            throw ValidationError("say PEER/NAME, as 'aro publish' prints it")
        }
        return PeerName(
            peer: try peer(String(text[..<slash])), label: String(text[text.index(after: slash)...])
        )
    }
}

/// A mutable name: whose it is, and what its owner calls it.
struct PeerName: Hashable {
    var peer: PeerID
    var label: String
}
