/// `aro prove` and `aro verify`: who published these bytes, checked without a network.

import ARO
import AROContent
import AROPrimitives
import ArgumentParser
import Foundation

struct ProveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Write a proof of who published content that this node holds.",
        discussion: """
            The proof and the bytes are all that 'aro verify' needs, on any machine, without a node.
            """)

    @Argument(
        help: ArgumentHelp("What is to be proven: CID or CID/path.", valueName: "cid"),
        transform: Typed.content)
    var what: ContentPath

    @Option(
        help: ArgumentHelp(
            "Prove only the chunk of the file that holds this byte.", valueName: "byte"))
    var offset: UInt64?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write the proof; else standard output.", valueName: "file"))
    var output: String?

    @OptionGroup var node: NodeOptions

    func run() throws {
        var proof: [UInt8] = []
        try node.ask(.prove(root: "\(what.root)", path: what.path, offset: offset)) { message in
            if case .bytes(let bytes) = message { proof += bytes.readableBytesView }
        }
        guard let output else { return try Terminal.write(proof) }
        try Terminal.save(Data(proof), to: output)
    }
}

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check offline who published a file, by a proof of 'aro prove'.",
        discussion: """
            FILE is the whole file, or, for the proof of one chunk, the file or just that chunk. \
            Ends with exit code 5 if the proof or the bytes are not what they should be.
            """)

    @Argument(help: "The proof.") var proof: String
    @Argument(help: "The bytes; '-' is standard input.") var file: String

    @Option(
        help: ArgumentHelp("Demand that this peer published it.", valueName: "peer"),
        transform: Typed.peer)
    var publisher: PeerID?

    @OptionGroup var json: JSONOption

    func run() throws {
        let (proof, target) = try readProof()
        if let publisher, publisher != target.publisher {
            throw CommandFailure(
                .unverified, "published by \(target.publisher), not by \(publisher)")
        }
        guard try check(target) else {
            throw CommandFailure(.unverified, "these are not the bytes that \(target.cid) names")
        }
        let report = Report(proof.attestation, target)
        if json.isOn { return try Terminal.json(report) }
        try Terminal.line("published by \(report.publisher)")
        try Terminal.line("root         \(report.root)\(report.path.map { "/" + $0 }.joined())")
        if let from = report.from, let to = report.to {
            try Terminal.line("bytes        \(from)-\(to - 1) of \(target.fileByteCount ?? to)")
        }
        if !report.name.isEmpty { try Terminal.line("name         \(report.name)") }
        try Terminal.line("signed       \(report.signed)")
    }

    private func readProof() throws -> (Proof, ProvenTarget) {
        guard let handle = FileHandle(forReadingAtPath: proof) else {
            throw SystemFailure("read \(proof)")
        }
        let bytes = [UInt8](try handle.read(upToCount: Proof.byteCountMax + 1) ?? Data())
        do throws(ProofFailure) {
            let proof = try Proof(bytes: bytes)
            return (proof, try proof.verify())
        } catch {
            throw CommandFailure(.unverified, "the proof is not valid: \(error)")
        }
    }

    /// Whether the file, or the part of it that the proof is about, is what was published.
    private func check(_ target: ProvenTarget) throws -> Bool {
        guard let handle = file == "-" ? .standardInput : FileHandle(forReadingAtPath: file) else {
            throw SystemFailure("read \(file)")
        }
        var bytes = ProvenBytes(target)
        var left = UInt64.max
        if let range = target.range, let whole = target.fileByteCount,
            let size = Self.size(of: handle), size == whole, size != UInt64(range.count)
        {
            try handle.seek(toOffset: range.lowerBound)
            left = UInt64(range.count)
        }
        while left > 0 {
            let wanted = Int(min(left, 1 << 20))
            let chunk = [UInt8](try handle.read(upToCount: wanted) ?? Data())
            if chunk.isEmpty { break }
            bytes.append(chunk.span.bytes)
            left -= UInt64(chunk.count)
        }
        return bytes.finish()
    }

    /// nil for what is no regular file.
    private static func size(of handle: FileHandle) -> UInt64? {
        var status = stat()
        guard fstat(handle.fileDescriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG
        else { return nil }
        return UInt64(status.st_size)
    }

    private struct Report: Encodable {
        var publisher: String
        var root: String
        var path: [String]
        var name: String
        var bytes: UInt64
        var signed: String
        var from: UInt64?
        var to: UInt64?

        init(_ attestation: Attestation, _ target: ProvenTarget) {
            (publisher, root) = ("\(target.publisher)", "\(target.root)")
            (path, name, bytes) = (target.path, attestation.name, attestation.byteCount)
            signed = Date(timeIntervalSince1970: Double(attestation.issued.seconds))
                .formatted(.iso8601)
            (from, to) = (target.range?.lowerBound, target.range?.upperBound)
        }
    }
}
