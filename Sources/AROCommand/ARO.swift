/// `aro`, the command: a node, and what its owner asks of it (Docs/Operating.md).

import ARO
import ArgumentParser
import Foundation

@main
struct AROMain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aro",
        abstract: "A node of the ARO network, and commands for the node that runs.",
        discussion: """
            Start a node:         aro node
            Join another:         aro node --bootstrap HOST:PORT
            Publish and resolve:  aro put FILE   and, on any node,   aro get CID -o FILE
            Call a model:         aro infer MODEL 'Why is the sky blue?'
            See it all work:      aro demo

            Exit codes: 0 done, 1 failed, 3 not found or nobody holds it, 4 no node is running, \
            5 not what was demanded (signature, hash), 6 disk or quota full, 64 wrong usage, \
            130 interrupted.
            """,
        version: NodeHandle.version,
        subcommands: [
            NodeCommand.self, PutCommand.self, GetCommand.self, ListCommand.self,
            ProvidersCommand.self, PinCommand.self, PublishCommand.self, ResolveCommand.self,
            ModelsCommand.self, InferCommand.self, ReceiptsCommand.self, AccountsCommand.self,
            PeersCommand.self, MembersCommand.self, TopicCommand.self, StatusCommand.self,
            IDCommand.self, DoctorCommand.self, MCPCommand.self, ProveCommand.self,
            VerifyCommand.self,
            DemoCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard let status = ExitStatus(of: error) else { exit(withError: error) }
            Terminal.complain("\(error)")
            Foundation.exit(status.rawValue)
        }
    }
}

/// Which node a command means.
struct NodeOptions: ParsableArguments {
    @Option(
        name: .customLong("data-dir"),
        help: ArgumentHelp(
            "The data directory of the node that is meant.",
            discussion: """
                Without it the environment variable ARO_DATA_DIR says which one, else it is aro in \
                $XDG_DATA_HOME or in ~/.local/share.
                """,
            valueName: "dir"))
    var dataDirectory: String?

    var path: String {
        dataDirectory.map { StandardPaths.absolute($0) } ?? StandardPaths.dataDirectory()
    }

    /// Asks the node, and gives its events and bytes to `take` until it is done.
    ///
    /// - Parameter output: where `take` writes to, if there may be nobody who reads it.
    func ask(
        _ command: ControlCommand, output: Int32? = nil,
        _ take: (ControlClient.Message) throws -> Void
    ) throws {
        let client = try ControlClient(dataDirectory: path, command)
        client.output = output
        while let message = try client.next() { try take(message) }
    }

    /// As ``ask(_:_:)``, but hangs up once `take` says that it wants no more.
    func askUntil(
        _ command: ControlCommand, _ take: (ControlClient.Message) throws -> Bool
    ) throws {
        let client = try ControlClient(dataDirectory: path, command)
        while let message = try client.next(), try take(message) {}
    }
}

struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON, one object a line, for programs.")
    var isOn = false
}
