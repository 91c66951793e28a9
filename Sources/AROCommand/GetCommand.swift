/// `aro get`: fetches content by its hash, from whoever holds it, and writes it where it is wanted.

import ARO
import ArgumentParser
import Foundation

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Fetch content by its CID, verified, from whoever holds it.",
        discussion: """
            A file goes to standard output while it comes, verified, or to the file named by -o; a \
            directory needs -o. Under the name given nothing appears before all of it is there. Where \
            a get fails after the first bytes, its exit code says that they are not all. An \
            interrupted get goes on from what came when it is repeated.
            """)

    @Argument(
        help: ArgumentHelp("What to fetch: CID or CID/path.", valueName: "cid"),
        transform: Typed.content)
    var what: ContentPath

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to write it.", valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "Only these bytes of a file: A-B, both included and counted from 0, or A-.",
            valueName: "a-b"))
    var range: ByteRange?

    @Option(
        help: ArgumentHelp("Refuse content that this peer has not signed.", valueName: "peer"),
        transform: Typed.peer)
    var publisher: PeerID?

    @Option(
        help: ArgumentHelp(
            "Give up after so many seconds without a new block; the node's own patience is 30.",
            valueName: "seconds"))
    var patience: Double?

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if json.isOn, output == nil { throw ValidationError("--json needs -o FILE") }
        if let patience, !(patience > 0 && patience <= 86_400) {
            throw ValidationError("--patience is more than 0 and at most 86400 seconds")
        }
    }

    func run() throws {
        var progress = ProgressLine()
        defer { progress.clear() }
        let sink = output.map { OutputTree(at: StandardPaths.absolute($0)) }
        try sink?.check()
        var summary = Summary(output: output)
        let command = ControlCommand.get(
            root: "\(what.root)", path: what.path, from: range?.from, to: range?.to,
            publisher: publisher.map { "\($0)" }, patience: patience)
        do {
            let pipe = sink == nil ? STDOUT_FILENO : nil
            try node.ask(command, output: pipe) { message in
                switch message {
                case .event(.progress(let report)):
                    // On a terminal the content itself shows how far it is.
                    let isShown = sink == nil && Terminal.isOutputTerminal && summary.bytes > 0
                    if !isShown { progress.show(report) }
                    summary.fetched = report.fetched ?? summary.fetched
                case .event(.entry(let entry)):
                    progress.clear()
                    summary.add(entry)
                    try open(entry, in: sink)
                case .bytes(let bytes):
                    summary.bytes += UInt64(bytes.readableBytes)
                    try bytes.withUnsafeReadableBytes { try write($0, to: sink) }
                default: break
                }
            }
            try sink?.finish()
        } catch {
            sink?.abandon()
            throw error
        }
        if json.isOn { try Terminal.json(summary) }
    }

    private func open(_ entry: EntryReport, in sink: OutputTree?) throws {
        if let sink { return try sink.begin(entry) }
        switch entry.kind {
        case .file, .unknown: break
        case .directory:
            throw CommandFailure(.usage, "this is a directory; say where to write it: -o DIR")
        case .symlink:
            throw CommandFailure(.usage, "this is a symbolic link to '\(entry.target ?? "")'")
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to sink: OutputTree?) throws {
        if let sink { return try sink.write(bytes) }
        try Terminal.write(bytes, to: STDOUT_FILENO)
    }

    private struct Summary: Encodable {
        var output: String?
        var cid = ""
        var kind = ContentEntry.Kind.file
        var files = 0
        var bytes: UInt64 = 0
        /// Bytes that came over the network for it.
        var fetched: UInt64 = 0

        init(output: String?) { self.output = output }

        mutating func add(_ entry: EntryReport) {
            if entry.path.isEmpty { (cid, kind) = (entry.cid, entry.kind) }
            if entry.kind == .file { files += 1 }
        }
    }
}
