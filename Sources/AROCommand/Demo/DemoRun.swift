/// The demo's course.

import ARO
import Foundation

final class DemoRun {
    private let directory: String
    private let story: Story
    private var nodes: [ChildNode] = []

    /// Nodes, in the order of their start; the first is the address that all others know.
    private static let names = ["Ada", "Ben", "Cleo", "Dora", "Emil"]
    /// How long nodes may take to find each other. A guess, generous for a busy machine.
    private static let patience = 30.0

    init(directory: String, story: Story) { (self.directory, self.story) = (directory, story) }

    func run(file: String?, size: ByteCount) throws {
        try startNodes()
        defer { for node in nodes { node.kill() } }
        let source = try prepare(file, size)
        let (ada, ben, cleo, dora, emil) = (nodes[0], nodes[1], nodes[2], nodes[3], nodes[4])
        let cid = try put(source, on: ben)
        try publishName(cid, on: ben, resolvingOn: emil)
        try findProviders(of: cid, on: emil, atLeast: 1)
        try get(cid, on: cleo, comparing: source)
        try findProviders(of: cid, on: ada, atLeast: 2)
        if try get(cid, on: dora, comparing: source, killing: ben) {
            try get(cid, on: emil, comparing: source)
        } else {
            story.tell("That was too fast for the killer. Once more, with \(emil.name).")
            guard try get(cid, on: emil, comparing: source, killing: ben) else {
                throw CommandFailure("two transfers were over before anybody died; try --size")
            }
        }
        try getRange(cid, on: ada, comparing: source)
        try stopNodes()
    }

    // MARK: - The network

    private func startNodes() throws {
        for name in Self.names {
            let node = try ChildNode(name, in: directory, bootstrap: nodes.first?.address)
            nodes.append(node)
            let through = nodes.count == 1 ? "" : ", joining through \(nodes[0].name)"
            story.tell(
                "\(name) listens on \(node.address) as \(node.peer.prefix(14))… "
                    + "(process \(node.process))\(through)")
        }
        try waitUntil("every node knows the others") {
            try nodes.allSatisfy { try $0.status().tablePeers >= Self.names.count - 1 }
        }
        story.tell("Each of the five knows the other four.")
    }

    private func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
        let limit = story.seconds + Self.patience
        while try !condition() {
            guard story.seconds < limit else {
                throw CommandFailure("after \(Int(Self.patience)) s not yet: \(what)")
            }
            usleep(50_000)
        }
    }

    private func stopNodes() throws {
        for node in nodes { node.askToStop() }
        for node in nodes where !node.waitForEnd() {
            throw CommandFailure(
                "\(node.name) did not end cleanly; its log: \(node.dataDirectory)/log")
        }
    }

    // MARK: - The file

    private func prepare(_ file: String?, _ size: ByteCount) throws -> String {
        if let file {
            let path = StandardPaths.absolute(file)
            guard access(path, R_OK) == 0 else { throw SystemFailure("read \(path)") }
            return path
        }
        let path = directory + "/random"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("make the file \(path)") }
        defer { close(descriptor) }
        var generator = SystemRandomNumberGenerator()
        var left = Int(size.bytes)
        while left > 0 {
            var block = [UInt64](repeating: 0, count: 1 << 15)
            var word = generator.next()
            for i in block.indices {  // xorshift64 (Marsaglia 2003): random enough to be distinct
                word ^= word << 13
                word ^= word >> 7
                word ^= word << 17
                block[i] = word
            }
            try block.withUnsafeBytes {
                let count = min(left, $0.count)
                try Terminal.write(UnsafeRawBufferPointer(rebasing: $0[..<count]), to: descriptor)
                left -= count
            }
        }
        story.tell("A file of \(Format.bytes(size.bytes)) of random bytes is made.")
        return path
    }

    private func put(_ source: String, on node: ChildNode) throws -> String {
        let start = story.seconds
        var report: PutReport?
        try node.options.ask(.put(path: source)) { message in
            if case .event(.put(let put)) = message { report = put }
        }
        guard let report else { throw CommandFailure("\(node.name) told no CID") }
        guard report.holders > 0 else { throw CommandFailure("nobody keeps \(node.name)'s record") }
        story.tell(
            "\(node.name) publishes it: \(Format.bytes(report.bytes)) "
                + "\(took(since: start, report.bytes)); the record is held by \(report.holders) "
                + "of \(report.wanted) peers.")
        story.tell("Its name is its hash: \(report.cid)")
        return report.cid
    }

    private func publishName(_ cid: String, on node: ChildNode, resolvingOn other: ChildNode) throws
    {
        try node.options.ask(.publish(label: "demo", target: cid)) { _ in }
        var found = ""
        try other.options.ask(.resolve(peer: node.peer, label: "demo")) { message in
            if case .event(.name(let report)) = message { found = report.cid }
        }
        guard found == cid else { throw CommandFailure("the name leads to '\(found)'") }
        story.tell("\(node.name) signs the name 'demo' for it; \(other.name) resolves that name.")
    }

    private func findProviders(of cid: String, on node: ChildNode, atLeast count: Int) throws {
        var found: [String] = []
        try waitUntil("\(node.name) finds \(count) providers") {
            found = []
            try node.options.ask(.providers(root: cid, limit: 20)) { message in
                if case .event(.provider(let report)) = message { found.append(report.peer) }
            }
            return found.count >= count
        }
        let names = found.map { peer in nodes.first { $0.peer == peer }?.name ?? "a stranger" }
        story.tell("\(node.name) asks who holds it: \(names.sorted().joined(separator: ", ")).")
    }

    // MARK: - Transfers

    /// Returns whether the victim was killed in the middle.
    @discardableResult
    private func get(
        _ cid: String, on node: ChildNode, comparing source: String,
        killing victim: ChildNode? = nil
    ) throws -> Bool {
        let start = story.seconds
        let path = "\(directory)/\(node.name)'s copy"
        let sink = OutputTree(at: path)
        var bytes: UInt64 = 0
        var killedAt: ProgressReport?
        try node.options.ask(
            .get(root: cid, path: [], from: nil, to: nil, publisher: nodes[1].peer)
        ) { message in
            switch message {
            case .event(.progress(let report)):
                guard let victim, killedAt == nil, report.phase == .fetching, report.done > 0,
                    report.done < report.total ?? .max
                else { break }
                victim.kill()
                killedAt = report
                story.tell(
                    "\(node.name) has \(Format.bytes(report.done)) from "
                        + "\(report.providers ?? 0) peers: \(victim.name) is killed (SIGKILL).")
            case .event(.entry(let entry)): try sink.begin(entry)
            case .bytes(let chunk):
                bytes += UInt64(chunk.readableBytes)
                try chunk.withUnsafeReadableBytes { try sink.write($0) }
            default: break
            }
        }
        try sink.finish()
        try compare(path, source)
        try? FileManager.default.removeItem(atPath: path)
        let manner = killedAt == nil ? "" : " all the same"
        story.tell(
            "\(node.name) has all of it\(manner), \(took(since: start, bytes)): "
                + "every chunk matches its hash, \(nodes[1].name)'s signature is valid, "
                + "the bytes are identical.")
        return killedAt != nil
    }

    private func getRange(_ cid: String, on node: ChildNode, comparing source: String) throws {
        let size = try FileManager.default.attributesOfItem(atPath: source)[.size] as? UInt64 ?? 0
        guard size > 2_000 else { return }
        let from = size / 2
        let before = try node.status().storeBytes
        var bytes: [UInt8] = []
        try node.options.ask(
            .get(root: cid, path: [], from: from, to: from + 1_000, publisher: nil)
        ) { message in
            if case .bytes(let chunk) = message { bytes += chunk.readableBytesView }
        }
        guard bytes == (try Self.read(source, at: from, count: 1_000)) else {
            throw CommandFailure("a range of the file has wrong bytes")
        }
        let grown = try node.status().storeBytes - before
        story.tell(
            "\(node.name) wants 1000 bytes from the middle only: right, and it fetched "
                + "\(Format.bytes(grown)) for them.")
    }

    private static func read(_ path: String, at offset: UInt64, count: Int) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw SystemFailure("read \(path)")
        }
        try file.seek(toOffset: offset)
        return [UInt8](try file.read(upToCount: count) ?? Data())
    }

    private func compare(_ path: String, _ source: String) throws {
        guard let a = FileHandle(forReadingAtPath: path),
            let b = FileHandle(forReadingAtPath: source)
        else { throw CommandFailure("a copy cannot be read") }
        while true {
            let (left, right) = (
                try a.read(upToCount: 4 << 20) ?? Data(), try b.read(upToCount: 4 << 20) ?? Data()
            )
            guard left == right else { throw CommandFailure("the copy differs from the file") }
            if left.isEmpty { return }
        }
    }

    private func took(since start: Double, _ bytes: UInt64) -> String {
        let seconds = max(story.seconds - start, 0.001)
        return "in \(Story.tenths(seconds)) s (\(Format.rate(Double(bytes) / seconds)))"
    }
}
