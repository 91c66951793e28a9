/// Whether a request may come in at all: not from a web page of somebody else, neither openly nor by a
/// name that was bent to this machine (DNS rebinding), and with the token where one is needed.
///
/// Browsers cannot forge `Host`, `Origin` and `Sec-Fetch-*` (Fetch standard, forbidden headers); a
/// program that forges them could as well read the data directory.

import AROPrimitives
import AROBackend
import HTTPTypes

struct Screen: Sendable {
    enum Need: Sendable {
        /// Verified bytes, which anybody may have.
        case nothing
        /// What may cost the owner something.
        case use
        /// What is signed in the owner's name, or changes what is kept.
        case control
    }

    let token: ControlToken
    let allowsRemote: Bool
    let requiresToken: Bool
    /// Lower case, without ports.
    let hosts: [String]

    init(_ configuration: GatewayConfiguration, _ token: ControlToken) {
        self.token = token
        (allowsRemote, requiresToken) = (configuration.allowsRemote, configuration.requiresToken)
        var hosts = configuration.hosts.map { $0.lowercased() }
        if !configuration.address.isUnspecified {
            hosts.append(configuration.address.hostDescription.lowercased())
        }
        self.hosts = hosts
    }

    /// Throws the refusal.
    func check(_ head: HTTPRequest, need: Need) throws(GatewayError) {
        guard let authority = head.authority ?? head.headerFields[.init("Host")!],
            let host = Self.host(authority)
        else {
            throw GatewayError(.badRequest, "host_missing", "the request names no host")
        }
        guard isOurs(host) else {
            throw GatewayError(
                .misdirectedRequest, "host_refused",
                "this gateway does not answer to the name '\(host)'; see --gateway-host")
        }
        try checkSite(head, authority: authority, need)
        try checkToken(head, need)
    }

    private func isOurs(_ host: String) -> Bool {
        if host == "localhost" || host.hasSuffix(".localhost") || hosts.contains(host) {
            return true
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let address = SocketAddress(ipv6Host: host.dropFirst().dropLast(), port: 0)
            return address.map { $0.isLoopback || allowsRemote } ?? false
        }
        // An address cannot be bent to another one: only names can.
        return SocketAddress(ipv4Host: host, port: 0).map { $0.isLoopback || allowsRemote } ?? false
    }

    /// The host of `HOST[:PORT]`, in lower case; nil where it is none.
    private static func host(_ authority: String) -> String? {
        var host = authority[...].lowercased()[...]
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            host = host[...end]
        } else if let colon = host.firstIndex(of: ":") {
            host = host[..<colon]
        }
        if host.hasSuffix(".") { host = host.dropLast() }
        return host.isEmpty ? nil : String(host)
    }

    private func checkSite(
        _ head: HTTPRequest, authority: String, _ need: Need
    ) throws(GatewayError) {
        let own = "http://\(authority.lowercased())"
        if let origin = head.headerFields[.origin], origin.lowercased() != own {
            throw GatewayError(
                .forbidden, "origin_refused", "requests from the page \(origin) are not served")
        }
        guard let site = head.headerFields[.init("Sec-Fetch-Site")!],
            site != "same-origin", site != "none"
        else { return }
        let isReading = head.method == .get || head.method == .head
        let isLink = head.headerFields[.init("Sec-Fetch-Mode")!] == "navigate"
        // A sandboxed page of ours counts as foreign; it shows its images all the same.
        let isOwnPage = head.headerFields[.init("Referer")!]?.lowercased().hasPrefix(own + "/")
        guard isReading, need == .nothing, isLink || isOwnPage == true else {
            throw GatewayError(
                .forbidden, "site_refused", "requests from pages of other sites are not served")
        }
    }

    private func checkToken(_ head: HTTPRequest, _ need: Need) throws(GatewayError) {
        switch need {
        case .nothing: return
        case .use where !requiresToken && !allowsRemote: return
        case .use, .control: break
        }
        guard hasToken(head) else {
            var error = GatewayError(
                .unauthorized, "token_missing",
                "this needs the token in \(token.path), as the header 'Authorization: Bearer …'")
            error.headers[.wwwAuthenticate] = "Bearer realm=\"aro\""
            throw error
        }
    }

    func hasToken(_ head: HTTPRequest) -> Bool {
        guard let given = head.headerFields[.authorization] else { return false }
        let parts = given.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
        return token.matches(parts[1])
    }
}
