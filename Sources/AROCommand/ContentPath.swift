/// `CID` or `CID/path/into/directories`, as users name content.

import ARO
import ArgumentParser

struct ContentPath: ExpressibleByArgument, Hashable {
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

    init?(argument: String) {
        do throws(CIDFailure) { try self.init(argument) } catch { return nil }
    }
}

extension CID: ExpressibleByArgument {
    public init?(argument: String) {
        do throws(CIDFailure) { try self.init(argument) } catch { return nil }
    }
}

extension PeerID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
