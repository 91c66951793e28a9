/// `aro ls`, `aro providers`, `aro pin`: what is there, who has it, what stays.

import ARO
import ArgumentParser

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List what this node keeps, or what is in a directory.",
        discussion: """
            What a directory says of itself is fetched where it is not here, what is in it is not: of \
            entries whose first block is not here the kind is unknown.
            """)

    @Argument(
        help: ArgumentHelp(
            "A directory, CID or CID/path; nothing for all that this node keeps.",
            valueName: "cid"),
        transform: Typed.content)
    var what: ContentPath?

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var rows: [[String]] = []
        var progress = ProgressLine()
        defer { progress.clear() }
        let command = ControlCommand.list(
            root: what.map { "\($0.root)" }, path: what?.path ?? [])
        try node.ask(command) { message in
            switch message {
            case .event(.progress(let report)): progress.show(report)
            case .event(.root(let root)):
                if json.isOn { return try Terminal.json(root) }
                rows.append(root.row)
            case .event(.entry(let entry)):
                if json.isOn { return try Terminal.json(entry) }
                rows.append([
                    entry.cid, entry.bytes.map { "\($0)" } ?? "-", entry.kind.rawValue,
                    entry.path.joined(separator: "/"),
                ])
            default: break
            }
        }
        progress.clear()
        try Terminal.table(
            ["CID", "BYTES", what == nil ? "KEPT" : "KIND", "NAME"], rows)
    }
}

extension RootReport {
    var row: [String] {
        [cid, bytes.map { "\($0)" } ?? "-", pinned ? "pinned" : "cached", name]
    }
}

struct ProvidersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "providers", abstract: "Find out who holds content.")

    @Argument(help: "What is looked for.", transform: Typed.cid) var cid: CID

    @Option(help: "How many are enough.") var limit = 20

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...1_000).contains(limit) else { throw ValidationError("--limit is 1 to 1000") }
    }

    func run() throws {
        var count = 0
        try node.ask(.providers(root: "\(cid)", limit: limit)) { message in
            guard case .event(.provider(let provider)) = message else { return }
            count += 1
            if json.isOn { return try Terminal.json(provider) }
            try Terminal.line("\(provider.peer)  \(provider.addresses.joined(separator: " "))")
        }
        guard count > 0 else { throw CommandFailure(.notFound, "nobody is known to hold \(cid)") }
    }
}

struct PinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Say what must stay in this node whatever the quota.",
        subcommands: [Add.self, Remove.self, List.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Fetch content where it is not here, and keep it.")

        @Argument(transform: Typed.cid) var cid: CID
        @OptionGroup var node: NodeOptions

        func run() throws {
            var progress = ProgressLine()
            defer { progress.clear() }
            try node.ask(.pinAdd(root: "\(cid)")) { message in
                if case .event(.progress(let report)) = message { progress.show(report) }
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Let content go when its space is needed.")

        @Argument(transform: Typed.cid) var cid: CID
        @OptionGroup var node: NodeOptions

        func run() throws { try node.ask(.pinRemove(root: "\(cid)")) { _ in } }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List what is kept.")

        @OptionGroup var node: NodeOptions
        @OptionGroup var json: JSONOption

        func run() throws {
            var rows: [[String]] = []
            try node.ask(.pinList) { message in
                guard case .event(.root(let root)) = message else { return }
                if json.isOn { return try Terminal.json(root) }
                rows.append([root.cid, root.bytes.map { "\($0)" } ?? "-", root.name])
            }
            try Terminal.table(["CID", "BYTES", "NAME"], rows)
        }
    }
}
