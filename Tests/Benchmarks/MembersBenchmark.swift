/// Membership between processes: `aro` itself, one process a node, on loopback; what each says over
/// its control channel is heard by a thread here. How soon all know all, a newcomer and a death, what
/// an idle node sends, and whether anybody who only stood still for a while is declared dead.

import ARO
import ARORuntime
import ArgumentParser
import Foundation
import Synchronization

struct Members: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Who knows whom, and when, between real processes.")

    @Option(help: "Nodes.") var nodes = 50
    @Option(help: "Nodes that come late.") var newcomers = 5
    @Option(help: "Nodes that are killed, one at a time; another one takes the place of each.")
    var kills = 20
    @Option(help: "Seconds to count what idle nodes send.") var idleSeconds = 60
    @Option(help: "Minutes in which a node stands still for 3 seconds, now and then.")
    var stopMinutes = 10
    @Option(help: "The executable to run; by default the one beside this program.")
    var aro: String?
    @Option(help: "Of which nodes are killed and stopped.") var seed: UInt64 = 1

    func run() async throws {
        let crowd = try Crowd(executable: aro ?? Crowd.sibling, seed: seed)
        defer { crowd.end() }
        try start(crowd)
        try come(crowd)
        idle(crowd)
        fflush(nil)
        try kill(crowd)
        fflush(nil)
        stop(crowd)
    }

    private func start(_ crowd: Crowd) throws {
        try crowd.start(1)
        try crowd.start(nodes - 1)
        let ready = crowd.processes.map(\.readyAt).max()!
        guard let known = crowd.waitUntilAllKnowAll() else {
            return print("all know all: not within \(Crowd.patience.components.seconds) s")
        }
        print(
            String(
                format: "%d started together: all know all %.2f s after the last was ready", nodes,
                max(0, known - ready)))
    }

    private func come(_ crowd: Crowd) throws {
        var times: [Double] = []
        for _ in 0..<newcomers {
            try crowd.start(1)
            let newcomer = crowd.processes.last!
            if let at = crowd.wait(for: ["alive", "joined"], of: newcomer.peer) {
                times.append(max(0, at - newcomer.readyAt))
            }
        }
        report("a newcomer is known to all after its ready line", times, of: newcomers)
    }

    private func idle(_ crowd: Crowd) {
        guard idleSeconds > 0 else { return }
        Thread.sleep(forTimeInterval: 20)
        let before = crowd.datagramsSent()
        Thread.sleep(forTimeInterval: Double(idleSeconds))
        let after = crowd.datagramsSent()
        let rates = after.map {
            Double($0.value - before[$0.key, default: 0]) / Double(idleSeconds)
        }
        let mean = rates.reduce(0, +) / Double(max(1, rates.count))
        print(
            String(
                format: "idle: %.2f datagrams a second and node, the most %.2f", mean,
                rates.max() ?? 0))
    }

    private func kill(_ crowd: Crowd) throws {
        var (first, all): ([Double], [Double]) = ([], [])
        for _ in 0..<kills {
            Thread.sleep(forTimeInterval: .random(in: 5...9, using: &crowd.chance))
            let victim = crowd.removeRandom()
            let start = victim.kill()
            if let at = crowd.wait(for: ["failed"], of: victim.peer) {
                all.append(at - start)
                first.append(crowd.log.times(of: ["failed"], about: victim.peer).min()! - start)
            }
            try crowd.start(1)
        }
        report("kill -9, first known", first, of: kills)
        report("kill -9, known to all", all, of: kills)
    }

    private func stop(_ crowd: Crowd) {
        guard stopMinutes > 0 else { return }
        Thread.sleep(forTimeInterval: 10)
        let start = Crowd.now
        var stops = 0
        while Crowd.now - start < Double(stopMinutes) * 60 {
            let sleeper = crowd.processes.randomElement(using: &crowd.chance)!
            sleeper.signal(SIGSTOP)
            Thread.sleep(forTimeInterval: 3)
            sleeper.signal(SIGCONT)
            stops += 1
            Thread.sleep(forTimeInterval: .random(in: 3...10, using: &crowd.chance))
        }
        let peers = Set(crowd.processes.map(\.peer))
        let news = crowd.log.entries.filter { $0.at >= start && peers.contains($0.peer) }
        let (failed, suspected) = (
            news.count { $0.event == "failed" }, news.count { $0.event == "suspected" }
        )
        print(
            "stopped for 3 s, \(stops) times in \(stopMinutes) min: \(failed) false positives, "
                + "\(suspected) suspicions")
    }

    private func report(_ name: String, _ times: [Double], of count: Int) {
        guard count > 0 else { return }
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return print("\(name): never") }
        let p50 = sorted[sorted.count / 2]
        print(
            String(
                format: "%@: p50 %.2f s, least %.2f, most %.2f; %d of %d", name, p50, sorted[0],
                sorted[sorted.count - 1], sorted.count, count))
    }
}

// MARK: - Processes

/// The nodes that run, and what they say of each other.
private final class Crowd {
    /// The longest wait for anything.
    static let patience = Duration.seconds(60)
    private static let origin = ContinuousClock.now

    private(set) var processes: [NodeProcess] = []
    let log = MemberLog()
    var chance: SeededChance
    private let executable: String
    private let directory: String
    private var serial = 0

    static var now: Double {
        let time = ContinuousClock.now - origin
        return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    }

    static var sibling: String {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own ?? CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("aro").path
    }

    init(executable: String, seed: UInt64) throws {
        self.executable = executable
        chance = SeededChance(state: seed)
        directory = NSTemporaryDirectory() + "aro-bench-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    /// Starts nodes at once, which join through the first, and waits until they are ready.
    func start(_ count: Int) throws {
        var new: [NodeProcess] = []
        for _ in 0..<count {
            serial += 1
            new.append(
                try NodeProcess(
                    executable, "\(directory)/\(serial)", bootstrap: processes.first?.address))
        }
        for process in new {
            try process.waitUntilReady()
            log.listen(to: process)
        }
        processes += new
    }

    /// Anyone but the first, through whom others join.
    func removeRandom() -> NodeProcess {
        processes.remove(at: .random(in: 1..<processes.count, using: &chance))
    }

    func end() {
        for process in processes { _ = process.kill() }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// When the last of all nodes said it; nil where one does not within ``patience``.
    func wait(for events: Set<String>, of peer: String) -> Double? {
        let observers = Set(processes.map(\.peer)).subtracting([peer])
        return waitUntil {
            let said = log.firstTimes(of: events, about: peer, by: observers)
            return said.count == observers.count ? said.values.max() : nil
        }
    }

    func waitUntilAllKnowAll() -> Double? {
        var last = 0.0
        for process in processes {
            guard let at = wait(for: ["alive", "joined"], of: process.peer) else { return nil }
            last = max(last, at)
        }
        return last
    }

    private func waitUntil(_ body: () -> Double?) -> Double? {
        let end = ContinuousClock.now + Self.patience
        while ContinuousClock.now < end {
            if let value = body() { return value }
            Thread.sleep(forTimeInterval: 0.005)
        }
        return nil
    }

    /// By peer.
    func datagramsSent() -> [String: UInt64] {
        var sent: [String: UInt64] = [:]
        for process in processes {
            guard
                let client = try? ControlClient(dataDirectory: process.dataDirectory, .status),
                case .event(.status(let status))? = try? client.next()
            else { continue }
            sent[process.peer] = status.datagramsOut
        }
        return sent
    }
}

/// One `aro node`. It ends with this program, as its standard input closes then.
private final class NodeProcess: Sendable {
    let dataDirectory: String
    private let process: Process
    private let output = Pipe()
    private let input = Pipe()
    private let ready = Mutex((address: "", peer: "", at: 0.0))

    var address: String { ready.withLock { $0.address } }
    var peer: String { ready.withLock { $0.peer } }
    var readyAt: Double { ready.withLock { $0.at } }

    init(_ executable: String, _ dataDirectory: String, bootstrap: String?) throws {
        self.dataDirectory = dataDirectory
        process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments =
            [
                "node", "--listen", "127.0.0.1:0", "--data-dir", dataDirectory,
                "--until-stdin-closes", "--log-level", "error",
            ] + (bootstrap.map { ["--bootstrap", $0] } ?? [])
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    /// Reads "listening on ADDRESS as PEER".
    func waitUntilReady() throws {
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw ValidationError("a node did not start") }
            line += more
        }
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count == 5 else { throw ValidationError("no ready line: \(words)") }
        ready.withLock { $0 = (String(words[2]), String(words[4]), Crowd.now) }
    }

    func signal(_ number: Int32) { Foundation.kill(process.processIdentifier, number) }

    /// Returns when.
    func kill() -> Double {
        let at = Crowd.now
        signal(SIGKILL)
        process.waitUntilExit()
        return at
    }
}

/// What the nodes say of each other, with the time.
private final class MemberLog: Sendable {
    struct Entry: Sendable {
        var by: String
        var event: String
        var peer: String
        var at: Double
    }

    private let all = Mutex<[Entry]>([])

    var entries: [Entry] { all.withLock { $0 } }

    func times(of events: Set<String>, about peer: String) -> [Double] {
        entries.filter { $0.peer == peer && events.contains($0.event) }.map(\.at)
    }

    /// By who said it.
    func firstTimes(
        of events: Set<String>, about peer: String, by observers: Set<String>
    ) -> [String: Double] {
        var times: [String: Double] = [:]
        for entry in entries
        where entry.peer == peer && events.contains(entry.event) && observers.contains(entry.by) {
            times[entry.by] = min(times[entry.by] ?? entry.at, entry.at)
        }
        return times
    }

    /// Until the node ends, on a thread of its own.
    func listen(to process: NodeProcess) {
        let (directory, by) = (process.dataDirectory, process.peer)
        Thread.detachNewThread { [self] in
            guard let client = try? ControlClient(dataDirectory: directory, .watchMembers) else {
                return
            }
            while let message = try? client.next() {
                guard case .event(let event) = message else { continue }
                switch event {
                case .member(let member): note(by, member.state, member.peer)
                case .memberEvent(let event): note(by, event.event, event.peer ?? "")
                default: break
                }
            }
        }
    }

    private func note(_ by: String, _ event: String, _ peer: String) {
        let entry = Entry(by: by, event: event, peer: peer, at: Crowd.now)
        all.withLock { $0.append(entry) }
    }
}

/// SplitMix64, so that a run can be repeated.
private struct SeededChance: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
