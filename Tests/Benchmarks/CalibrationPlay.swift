/// The real side of a calibration: a process for each node, which is told what to do by lines on its
/// standard input and tells by lines how it went.

import ARONode
import AROPrimitives
import ARORuntime
import AROWire
import ArgumentParser
import Foundation
import Logging
import Synchronization

/// Plays the plan with processes, by the clock.
final class CalibrationPlay {
    private let plan: CalibrationPlan
    private let network: DelayedNetwork
    private let directory: String
    private var nodes: [CalibratedProcess] = []
    private let heard = HeardLines()
    private var published: [(cid: CID, node: Int)] = []
    private let origin = ContinuousClock.now

    init(_ plan: CalibrationPlan) throws {
        self.plan = plan
        network = try DelayedNetwork(nodes: plan.nodes, delay: .milliseconds(plan.delay))
        directory = NSTemporaryDirectory() + "aro-calibrate-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    func play() throws -> Figures {
        defer { end() }
        try startProcesses()
        var figures = Figures()
        var counted = try status()
        let start = now
        for i in 1..<plan.nodes {
            wait(until: start + place(i, plan.nodes, plan.joinOver))
            nodes[i].tell("join \(DelayedNetwork.address(of: 0)):4002")
        }
        wait(until: start + plan.phases[0].end)
        try count(plan.phases[0].name, &counted, &figures)
        for i in 0..<plan.publishes {
            wait(until: start + plan.publishAt + place(i, plan.publishes, plan.publishOver))
            publish()
        }
        wait(until: start + plan.phases[1].end)
        try count(plan.phases[1].name, &counted, &figures)
        for i in 0..<plan.lookups {
            wait(until: start + plan.lookupAt + Double(i) / plan.lookupRate)
            seek()
        }
        wait(until: start + plan.phases[2].end)
        try count(plan.phases[2].name, &counted, &figures)
        wait(until: start + plan.phases[3].end)
        try count(plan.phases[3].name, &counted, &figures)
        return summary(figures)
    }

    private func place(_ i: Int, _ count: Int, _ span: Double) -> Double {
        span * Double(i) / Double(count)
    }

    // MARK: Processes

    private func startProcesses() throws {
        for i in 0..<plan.nodes {
            nodes.append(
                try CalibratedProcess(
                    [
                        "--listen", "\(DelayedNetwork.address(of: i)):4002", "--data-dir",
                        "\(directory)/\(i)", "-k", "\(plan.k)",
                    ] + (plan.noDirectory ? ["--no-directory"] : []), heard))
        }
        try wait(for: "ready", count: plan.nodes)
    }

    private func end() {
        for node in nodes { node.end() }
        let limit = now + 5
        while now < limit, nodes.contains(where: \.isRunning) {
            Thread.sleep(forTimeInterval: 0.05)
        }
        network.end()
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: Workload

    private func publish() {
        let node = Int.random(in: 0..<plan.nodes)
        let cid = CID(.raw, hashing: randomBytes(32).span.bytes)
        published.append((cid, node))
        nodes[node].tell("provide \(cid)")
    }

    private func seek() {
        guard let wanted = published.randomElement() else { return }
        var node = Int.random(in: 0..<plan.nodes - 1)
        if node >= wanted.node { node += 1 }
        nodes[node].tell("seek \(wanted.cid) \(nodes[wanted.node].peer)")
    }

    // MARK: Counting

    /// What each node has sent so far: datagrams, bytes, messages of each family; the sums.
    private func status() throws -> [Double] {
        let before = heard.count("status")
        for node in nodes { node.tell("status") }
        try wait(for: "status", count: before + nodes.count)
        var sums = [Double](repeating: 0, count: 2 + Figures.families.count)
        for numbers in heard.all("status").dropFirst(before) {
            for (i, number) in numbers.prefix(sums.count).enumerated() { sums[i] += number }
        }
        return sums
    }

    private func count(_ phase: String, _ before: inout [Double], _ figures: inout Figures) throws {
        let sums = try status()
        let names =
            ["datagrams_sent", "bytes_per_node"] + Figures.families.map { "messages_\($0)" }
        for (i, name) in names.enumerated() {
            figures.values["\(phase) \(name)"] = (sums[i] - before[i]) / Double(plan.nodes)
        }
        before = sums
    }

    private func summary(_ given: Figures) -> Figures {
        var figures = given
        let (joins, provides, seeks) = (
            heard.all("joined"), heard.all("held"), heard.all("found")
        )
        let held = provides.filter { $0[1] > 0 }
        let found = seeks.filter { $0[1] >= 0 }
        figures.values["join_success_rate"] = Double(joins.count) / Double(plan.nodes - 1)
        figures.values["publish_success_rate"] = Double(held.count) / Double(plan.publishes)
        figures.values["publish_holders"] = Self.mean(provides.map { $0[1] })
        figures.values["lookup_success_rate"] = Double(found.count) / Double(plan.lookups)
        figures.values["lookup_hops_mean"] = Self.mean(seeks.map { $0[2] })
        figures.values["lookup_hops_max"] = seeks.map { $0[2] }.max()
        figures.values["lookup_rpcs"] = Self.mean(seeks.map { $0[3] })
        figures.add("join_latency", joins.map { $0[0] })
        figures.add("publish_latency", held.map { $0[0] })
        figures.add("time_to_first_provider", found.map { $0[1] })
        figures.add("lookup_latency", found.map { $0[0] })
        return figures
    }

    private static func mean(_ numbers: [Double]) -> Double {
        numbers.reduce(0, +) / Double(max(1, numbers.count))
    }

    // MARK: Time

    private var now: Double {
        let time = ContinuousClock.now - origin
        return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    }

    private func wait(until time: Double) {
        Thread.sleep(forTimeInterval: max(0, time - now))
    }

    private func wait(for word: String, count: Int) throws {
        let end = now + 60
        while heard.count(word) < count {
            guard now < end else {
                throw ValidationError("\(heard.count(word)) of \(count) nodes said '\(word)'")
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }
}

/// What nodes said: numbers by the word before them.
private final class HeardLines: Sendable {
    private let lines = Mutex<[String: [[Double]]]>([:])

    func count(_ word: String) -> Int { lines.withLock { $0[word]?.count ?? 0 } }
    func all(_ word: String) -> [[Double]] { lines.withLock { $0[word] ?? [] } }

    func add(_ word: String, _ numbers: [Double]) {
        lines.withLock { $0[word, default: []].append(numbers) }
    }
}

/// One ``CalibratedNode``. It ends when its standard input closes.
private final class CalibratedProcess: Sendable {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let named = Mutex("")

    var peer: String { named.withLock { $0 } }

    init(_ arguments: [String], _ heard: HeardLines) throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: own)
        process.arguments = ["calibrated-node"] + arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        Thread.detachNewThread { [self] in listen(heard) }
    }

    private func listen(_ heard: HeardLines) {
        var rest = Data()
        while true {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { return }
            rest += more
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let words = String(decoding: rest[..<end], as: UTF8.self).split(separator: " ")
                rest = Data(rest[(end + 1)...])
                guard let word = words.first else { continue }
                if word == "ready" { named.withLock { $0 = String(words[1]) } }
                heard.add(String(word), words.dropFirst().compactMap { Double($0) })
            }
        }
    }

    func tell(_ line: String) {
        try? input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    }

    var isRunning: Bool { process.isRunning }

    func end() { try? input.fileHandleForWriting.close() }
}

/// A node of a calibration: the runtime of `aro`, told what to do by its standard input.
///
///     join ADDRESS            joined SECONDS
///     provide CID             held SECONDS HOLDERS
///     seek CID PEER           found SECONDS SECONDS-TO-THAT-PEER|-1 HOPS MESSAGES
///     status                  status DATAGRAMS BYTES KADEMLIA MEMBERSHIP ANNOUNCEMENT TOPIC
struct CalibratedNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrated-node", abstract: "One node of 'calibrate'.", shouldDisplay: false)

    @Option var listen: String
    @Option(name: .customLong("data-dir")) var dataDirectory: String
    @Option(name: .customShort("k")) var k: Int
    @Flag var noDirectory = false

    func run() async throws {
        var logger = Logger(label: "calibrated-node")
        logger.logLevel = .error
        var configuration = NodeConfiguration(
            listen: [SocketAddress(listen)!], dataDirectory: dataDirectory, logger: logger)
        configuration.node.kademlia.k = k
        if noDirectory { configuration.node.kademlia.heardOfStart = 0 }
        let node = try await NodeHandle.start(configuration)
        Self.say("ready \(node.id)")
        for await line in Self.lines {
            Task { try? await Self.obey(line.split(separator: " ").map(String.init), node) }
        }
        await node.shutdown()
    }

    private static var lines: AsyncStream<String> {
        AsyncStream { continuation in
            Thread.detachNewThread {
                while let line = readLine() { continuation.yield(line) }
                continuation.finish()
            }
        }
    }

    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    private static func obey(_ words: [String], _ node: NodeHandle) async throws {
        let start = ContinuousClock.now
        switch words.first {
        case "join":
            try await node.join([SocketAddress(words[1])!])
            say("joined \(seconds(since: start))")
        case "provide":
            let held = try await node.provide(try CID(words[1]))
            say("held \(seconds(since: start)) \(held.held)")
        case "seek": await seek(try CID(words[1]), words[2], node, start)
        case "status":
            let status = try await node.status()
            let sent = status.messagesOut
            say(
                "status \(status.datagramsOut) \(status.bytesOut) \(sent.kademlia) "
                    + "\(sent.membership) \(sent.announcement) \(sent.topic)")
        default: break
        }
    }

    private static func seek(
        _ cid: CID, _ peer: String, _ node: NodeHandle, _ start: ContinuousClock.Instant
    ) async {
        var first = -1.0
        for await reply in node.replies(to: .findProviders(cid, limit: 20)) {
            switch reply {
            case .provider(let contact) where contact.id.description == peer && first < 0:
                first = seconds(since: start)
            case .searched(let report):
                say("found \(seconds(since: start)) \(first) \(report.hops) \(report.messages)")
            default: break
            }
        }
    }

    private static func seconds(since start: ContinuousClock.Instant) -> Double {
        let time = ContinuousClock.now - start
        return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    }
}
