/// `CID` or `CID/path/into/directories`, as users name content.

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

    /// For the argument parser, which then says what is wrong with it.
    static func argument(_ text: String) throws -> ContentPath {
        do { return try ContentPath(text) } catch { throw ValidationError("\(error)") }
    }
}

extension CID {
    /// For the argument parser, which then says what is wrong with it.
    static func argument(_ text: String) throws -> CID {
        do { return try CID(text) } catch { throw ValidationError("\(error)") }
    }
}

extension PeerID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
