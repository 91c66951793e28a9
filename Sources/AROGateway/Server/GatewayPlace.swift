/// Where the owner's programs find the gateway of a node that runs: its address and token, in the data
/// directory.

import Foundation

public struct GatewayPlace: Hashable, Sendable {
    public var url: String
    public var token: String

    /// The gateway that runs with this data directory; nil where none does.
    public init?(dataDirectory: String) {
        guard let token = ControlToken.read(in: dataDirectory),
            let text = try? String(contentsOfFile: Self.path(in: dataDirectory), encoding: .utf8),
            let url = text.split(separator: "\n").first
        else { return nil }
        (self.url, self.token) = (String(url), token)
    }

    static func path(in directory: String) -> String { directory + "/gateway.url" }

    static func write(_ url: String, in directory: String) throws(GatewayFailure) {
        do {
            try Data("\(url)\n".utf8).write(
                to: URL(fileURLWithPath: path(in: directory)), options: .atomic)
        } catch { throw .token("\(error)") }
    }

    static func remove(in directory: String) {
        try? FileManager.default.removeItem(atPath: path(in: directory))
    }
}
