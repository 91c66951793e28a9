/// `aro node --gateway`: the node's HTTP face, and the model servers behind it.

import ARO
import AROBackend
import AROGateway
import ArgumentParser
import Foundation
import Logging

struct GatewayOptions: ParsableArguments {
    @Option(
        name: .customLong("gateway"),
        help: ArgumentHelp(
            "Serve content, models, tools and a status page over HTTP here: IP:PORT.",
            discussion:
                "On this machine only, for instance 127.0.0.1:8080; port 0 takes a free one.",
            valueName: "addr"),
        transform: Typed.listenAddress)
    var address: SocketAddress?

    @Flag(
        name: .customLong("gateway-allow-remote"),
        help: ArgumentHelp(
            "Let the gateway listen on an address that other machines can reach.",
            discussion: "Then everything but content needs the token in gateway.token."))
    var allowsRemote = false

    @Flag(
        name: .customLong("gateway-require-token"),
        help: "Demand the token for models and tools too, from programs of this machine.")
    var requiresToken = false

    @Option(
        name: .customLong("gateway-host"),
        help: ArgumentHelp(
            "A name under which the gateway may be reached. May be repeated.", valueName: "name"))
    var hosts: [String] = []

    func start(_ node: NodeHandle, _ logger: Logger) async throws -> Gateway? {
        guard let address else { return nil }
        var configuration = GatewayConfiguration(address: address)
        (configuration.allowsRemote, configuration.requiresToken) = (allowsRemote, requiresToken)
        configuration.hosts = hosts
        return try await Gateway.start(configuration, node: node, logger: logger)
    }
}

/// `--backend`: model servers whose models the node offers.
struct BackendOptions: ParsableArguments {
    @Option(
        name: .customLong("backend"),
        help: ArgumentHelp(
            "A model server that speaks OpenAI's interface. May be repeated.",
            discussion: """
                For instance http://127.0.0.1:8080/v1 of llama.cpp, Ollama or vLLM. A key that it \
                needs is taken from the environment variable ARO_BACKEND_KEY.
                """, valueName: "url"),
        transform: { address in
            do throws(ModelServerFailure) {
                let key = ProcessInfo.processInfo.environment["ARO_BACKEND_KEY"]
                return try ModelServer(address, key: key)
            } catch {
                throw ValidationError(error.description)
            }
        })
    var servers: [ModelServer] = []

    @Option(
        name: .customLong("backend-slots"),
        help: ArgumentHelp(
            "Calls at once for a model server that does not tell how many it takes.",
            valueName: "n"))
    var slots = Backends.slotsDefault

    func validate() throws {
        guard (1...Backends.slotsMax).contains(slots) else {
            throw ValidationError("--backend-slots is 1 to \(Backends.slotsMax)")
        }
    }
}
