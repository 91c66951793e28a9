/// `aro node`: runs a node until it is told to stop.

import ARO
import AROGateway
import ArgumentParser
import Foundation
import Logging

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Run a node.",
        discussion: """
            When it is ready it prints one line on standard output, "listening on ADDRESS as PEER", \
            and with --gateway a second one, "gateway on URL"; its log goes to standard error. An \
            interrupt (Ctrl-C) ends it cleanly, a second one at once.
            """)

    @Option(
        name: .customLong("listen"),
        help: ArgumentHelp(
            "Where to listen: IP:PORT or [IPV6]:PORT; port 0 takes a free one. May be repeated.",
            discussion: "Default: [::]:4002, which is every address, IPv4 and IPv6.",
            valueName: "addr"),
        transform: Typed.listenAddress)
    var listen: [SocketAddress] = []

    @Option(
        name: .customLong("bootstrap"),
        help: ArgumentHelp(
            "A peer to join the network through. May be repeated.", valueName: "host:port"),
        transform: Typed.hostPort)
    var bootstrap: [HostPort] = []

    @OptionGroup var node: NodeOptions

    @Option(
        help: ArgumentHelp(
            "Bytes of content to keep at most, for instance 500MB or 20GiB.",
            discussion: "Default: 10 GiB, or a tenth of the disk where that is less.",
            valueName: "size"))
    var quota: ByteCount?

    @OptionGroup(title: "Gateway") var gateway: GatewayOptions

    @OptionGroup(title: "Models") var backend: BackendOptions

    @OptionGroup(title: "Payment") var payment: PaymentOptions

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel: Logger.Level = .info

    /// For programs that start nodes: a node must not outlive the one that needs it.
    @Flag(name: .customLong("until-stdin-closes"), help: .hidden)
    var untilInputCloses = false

    func run() async throws {
        let signals = StopSignals()
        var configuration = NodeConfiguration(
            bootstrap: bootstrap, dataDirectory: node.path, quota: quota?.bytes, logger: logger())
        if !listen.isEmpty { configuration.listen = listen }
        payment.apply(to: &configuration)
        let backends = Backends(
            backend.servers, price: payment.price, slots: backend.slots,
            logger: configuration.logger)
        let desk = ModelDesk(backends)
        if !backend.servers.isEmpty { configuration.models = desk }
        let handle = try await NodeHandle.start(configuration)
        desk.attach(handle)
        let control = try await handle.openControl()
        let gateway: Gateway?
        handle.add { await backends.checkup() }
        let watching = Task { await backends.watch(handle) }
        do {
            gateway = try await self.gateway.start(handle, configuration.logger)
        } catch {
            watching.cancel()
            await control.close()
            await handle.shutdown()
            throw error
        }
        await handle.waitForFirstJoin(atMost: 5)
        let addresses = handle.addresses.map(\.description).joined(separator: ", ")
        try Terminal.line("listening on \(addresses) as \(handle.id)")
        if let gateway { try Terminal.line("gateway on \(gateway.url)") }
        if untilInputCloses { signals.stopWhenInputCloses() }
        let reason = await signals.first()
        configuration.logger.info("stopping: \(reason)")
        await gateway?.close()
        watching.cancel()
        await watching.value
        await backends.shutdown()
        await control.close()
        await handle.shutdown()
    }

    private func logger() -> Logger {
        var logger = Logger(label: "aro") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
