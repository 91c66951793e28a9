/// `aro put`: stores files and directories in the node and prints what they are called from now on.

import ARO
import ArgumentParser
import Foundation

struct PutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Publish files, directories or standard input; print their CIDs, one a line.",
        discussion: """
            The content is stored in the node, signed by it, kept until it is unpinned, and \
            announced to the network. The CID is the one that IPFS tools compute under the profile \
            unixfs-v1-2025.
            """)

    @Argument(help: "Files and directories; '-' is standard input.")
    var paths: [String]

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        for path in paths { try put(path) }
    }

    private func put(_ path: String) throws {
        var progress = ProgressLine()
        defer { progress.clear() }
        let input = try Self.input(path)
        let client = try ControlClient(
            dataDirectory: node.path,
            .put(path: input == nil ? StandardPaths.absolute(path) : nil))
        if let input { try send(input, to: client, &progress) }
        while let message = try client.next() {
            switch message {
            case .event(.progress(let report)): progress.show(report)
            case .event(.put(let report)):
                progress.clear()
                try show(report, path)
            default: break
            }
        }
    }

    /// What this process must read itself, as it means something else in the node's, or nothing:
    /// standard input, pipes, devices, and the names of open files.
    private static func input(_ path: String) throws -> Int32? {
        if path == "-" { return STDIN_FILENO }
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let isStream = [S_IFIFO, S_IFCHR].contains(status.st_mode & S_IFMT)
        let isOwn = path == "/dev/stdin" || path.hasPrefix("/dev/fd/")
        guard isStream || (isOwn && status.st_mode & S_IFMT == S_IFREG) else { return nil }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemFailure("open \(path)") }
        return descriptor
    }

    private func send(
        _ input: Int32, to client: ControlClient, _ progress: inout ProgressLine
    ) throws {
        defer { if input != STDIN_FILENO { close(input) } }
        var space = [UInt8](repeating: 0, count: ControlLimits.runBytesMax)
        while true {
            let count = read(input, &space, space.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemFailure("read the input") }
            guard count > 0 else { break }
            try space.withUnsafeBytes { bytes in
                try client.send(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<count])) {
                    if case .progress(let report) = $0 { progress.show(report) }
                }
            }
        }
        try client.sendEnd()
    }

    private func show(_ report: PutReport, _ path: String) throws {
        if json.isOn {
            try Terminal.json(PathReport(report, path))
        } else {
            try Terminal.line(report.cid)
        }
        guard !json.isOn, Terminal.hasProgress else { return }
        if report.wanted == 0 {
            Terminal.error(
                "stored \(Format.bytes(report.bytes)); nobody to tell yet: this node has no peers\n"
            )
        } else {
            Terminal.error(
                "stored \(Format.bytes(report.bytes)); "
                    + "announced: held by \(report.holders) of \(report.wanted) peers\n")
        }
    }

    private struct PathReport: Encodable {
        var path: String
        var cid: String
        var bytes: UInt64
        var holders: Int
        var wanted: Int

        init(_ report: PutReport, _ path: String) {
            (self.path, cid, bytes) = (path, report.cid, report.bytes)
            (holders, wanted) = (report.holders, report.wanted)
        }
    }
}
