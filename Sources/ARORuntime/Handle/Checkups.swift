/// Why is it slow, why does nobody reach me? What `aro doctor` finds, each with what to do about it.
///
/// Everything is asked of this node: what it was told by peers, what it measures, what it reads back from the
/// network. The program that hosts the node adds what only it knows, such as its model servers.

import ARONode
import AROPrimitives
import AROWire
import Glibc
import Synchronization

/// One thing that was looked at.
public struct Finding: Codable, Hashable, Sendable {
    public enum Grade: String, Codable, Sendable, Comparable {
        case good, note, warning, failure

        private var rank: Int {
            switch self {
            case .good: 0
            case .note: 1
            case .warning: 2
            case .failure: 3
            }
        }

        public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
    }

    /// What it is about: network, peers, records, disk, clock, backends….
    public var subject: String
    public var grade: Grade
    /// What was found.
    public var finding: String
    /// What to do; nil where there is nothing to be done.
    public var advice: String?

    public init(
        _ subject: String, _ grade: Grade, _ finding: String, advice: String? = nil
    ) {
        (self.subject, self.grade, self.finding, self.advice) = (subject, grade, finding, advice)
    }
}

/// Looks at something that only the host of the node knows.
public typealias Checkup = @Sendable () async -> [Finding]

final class Checkups: Sendable {
    private let added = Mutex<[Checkup]>([])

    func add(_ checkup: @escaping Checkup) { added.withLock { $0.append(checkup) } }

    func run() async -> [Finding] {
        var findings: [Finding] = []
        for checkup in added.withLock({ $0 }) { findings += await checkup() }
        return findings
    }
}

extension NodeHandle {
    /// Adds to what ``checkup()`` looks at.
    public func add(checkup: @escaping Checkup) { checkups.add(checkup) }

    /// Looks at everything that makes a node slow or unreachable.
    public func checkup() async throws -> [Finding] {
        let status = try await status()
        let members = try await members()
        var findings = Self.reachability(status, addresses)
        findings += Self.network(status)
        findings += try await paths(members)
        findings += await records()
        findings += try await storage()
        findings += Self.clock(members)
        findings += Self.drops(status)
        return findings + (await checkups.run())
    }
}

// MARK: - The network

extension NodeHandle {
    private static func reachability(
        _ status: NodeStatus, _ listening: [SocketAddress]
    ) -> [Finding] {
        let subject = "reachability"
        guard let seen = status.observedAddress else {
            return [
                Finding(
                    subject, .note, "no peer has told yet under which address it sees this node",
                    advice:
                        "wait until there are sessions; with --bootstrap HOST:PORT there will be")
            ]
        }
        let own = Interfaces.addresses()
        if own.contains(where: { $0.hasHost(of: seen) }) {
            guard !seen.isPrivate else {
                return [
                    Finding(
                        subject, .note,
                        "peers see this node as \(seen), an address of its own network only",
                        advice: "peers elsewhere can be reached, but cannot find this node")
                ]
            }
            return [Finding(subject, .good, "peers see this node as \(seen), its own address")]
        }
        let isKept = listening.contains { $0.port == seen.port }
        return [
            Finding(
                subject, .warning,
                "peers see this node as \(seen), which is no address of this machine: it is behind "
                    + "a NAT that \(isKept ? "keeps" : "changes") its port",
                advice: "forward UDP port \(listening.first?.port ?? 0) of the router to this "
                    + "machine; else peers that are not connected already cannot call it")
        ]
    }

    private static func network(_ status: NodeStatus) -> [Finding] {
        let subject = "network"
        if status.isIsolated || status.sessions == 0 {
            return [
                Finding(
                    subject, .failure,
                    "no session with any peer; \(status.tablePeers) peers are known",
                    advice:
                        "start the node with --bootstrap HOST:PORT of a node that runs, and let "
                        + "UDP through the firewall")
            ]
        }
        var findings = [
            Finding(
                subject, .good,
                "sessions: \(status.sessions); peers in the routing table: \(status.tablePeers); "
                    + "members known: \(status.members)")
        ]
        if status.neighbours == 0 {
            findings.append(
                Finding(
                    subject, .warning, "no neighbour in the overlay: news does not reach this node",
                    advice: "wait half a minute; if it stays so, name more bootstrap nodes"))
        }
        if status.localHealth > 0 {
            findings.append(
                Finding(
                    subject, .warning,
                    "this node answers late itself (local health \(status.localHealth) of 8)",
                    advice: "the machine is overloaded, or its network is: probes go unanswered"))
        }
        return findings
    }

    /// What a path is judged by. Guesses: a satellite's half second; a slow continent.
    private static let roundTripHigh = Duration.milliseconds(400)
    private static let lossHigh = 0.05
    private static let packetsJudged: UInt64 = 100

    private func paths(_ members: [MemberStatus]) async throws -> [Finding] {
        let states = Dictionary(
            members.map { ($0.id, $0.state) }, uniquingKeysWith: { first, _ in first })
        return try await peers().filter(\.isConnected).map { peer in
            let name = "\(peer.id)"
            let path = "\(name.prefix(8))…\(name.suffix(6)) at \(peer.address)"
            guard let roundTrip = peer.roundTrip else {
                return Finding("path", .note, "\(path): not measured yet")
            }
            let loss = Double(peer.packetsLost) / Double(max(1, peer.packetsOut))
            let words =
                "\(path): round trip \((roundTrip.milliseconds * 10).rounded() / 10) ms, "
                + "\((loss * 1_000).rounded() / 10) % of packets lost"
            if states[peer.id] == .suspected || states[peer.id] == .failed {
                return Finding(
                    "path", .warning, "\(words), and it is \(states[peer.id]!.rawValue)",
                    advice: "it, or the way to it, does not answer probes")
            }
            if loss > Self.lossHigh, peer.packetsOut >= Self.packetsJudged {
                return Finding(
                    "path", .warning, "\(words), which is much",
                    advice: "a radio link or a full line on the way; look at both ends")
            }
            guard roundTrip > Self.roundTripHigh else { return Finding("path", .good, words) }
            return Finding(
                "path", .warning, "\(words), which is long",
                advice: "a full uplink anywhere on the way makes such waits; look at both ends")
        }
    }

    /// Roots whose records are read back. A guess: each costs a search of the DHT.
    private static let recordsRead = 3

    private func records() async -> [Finding] {
        let subject = "records"
        let roots = (try? await content.providedRoots()) ?? []
        guard !roots.isEmpty else {
            return [Finding(subject, .note, "this node offers no content")]
        }
        var findings: [Finding] = []
        for root in roots.suffix(Self.recordsRead) {
            do {
                guard let held = try await announce(root) else {
                    findings.append(
                        Finding(
                            subject, .warning, "\(root): there is nobody to tell of it",
                            advice: "it is told as soon as there are peers"))
                    continue
                }
                let words =
                    "\(root): \(held.held) of \(held.wanted) peers keep the record that it is here"
                findings.append(
                    held.held * 2 >= held.wanted && held.held > 0
                        ? Finding(subject, .good, words)
                        : Finding(
                            subject, .warning, words,
                            advice: "others may not find it; try again in a minute"))
            } catch {
                findings.append(
                    Finding(
                        subject, .warning, "\(root): \(error)",
                        advice: "others may not find it; try again in a minute"))
            }
        }
        return findings
    }
}

// MARK: - The machine

extension NodeHandle {
    /// Guesses: below it a fetch of a few files fails; a disk that slow delays every block.
    private static let freeLow: UInt64 = 1 << 30
    private static let syncSlow = Duration.milliseconds(100)

    private func storage() async throws -> [Finding] {
        let subject = "disk"
        var findings: [Finding] = []
        let usage = try await usage()
        let mib = { (bytes: UInt64) in "\(bytes >> 20) MiB" }
        if usage.bytes >= quota / 10 * 9 {
            findings.append(
                Finding(
                    subject, .warning,
                    "\(mib(usage.bytes)) of \(mib(quota)) are in use",
                    advice: "raise --quota or unpin something; what is not pinned makes way"))
        } else {
            findings.append(
                Finding(subject, .good, "\(mib(usage.bytes)) of \(mib(quota)) are in use"))
        }
        if let space = Files.space(at: dataDirectory), space.free < Self.freeLow {
            findings.append(
                Finding(
                    subject, .failure, "the disk has only \(mib(space.free)) left",
                    advice: "make room: where nothing can be written, nothing can be fetched"))
        }
        findings.append(syncTime())
        return findings
    }

    /// How long a small write takes to be durable.
    private func syncTime() -> Finding {
        let path = dataDirectory + "/doctor.\(getpid())"
        defer { unlink(path) }
        let began = loop.now
        do {
            let file = try OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try file.write([UInt8](repeating: 0, count: 4_096))
            try file.syncData()
        } catch {
            return Finding(
                "disk", .failure, "the data directory cannot be written: \(error)",
                advice: "look at its owner, its mode and the disk")
        }
        let took = loop.now - began
        let words =
            "a small write takes \((took.milliseconds * 10).rounded() / 10) ms to be durable"
        return took < Self.syncSlow
            ? Finding("disk", .good, words)
            : Finding(
                "disk", .warning, words,
                advice: "the disk is slow or busy: publishing and fetching wait for it")
    }

    /// A statement from the future shows that one of two clocks is wrong; many show that it is ours.
    private static let skewMax: Int64 = 30

    private static func clock(_ members: [MemberStatus]) -> [Finding] {
        let issued = members.filter { $0.state == .alive }.map(\.announcement.issued.seconds)
        guard !issued.isEmpty else { return [] }
        let now = UnixTime.now.seconds
        let ahead = issued.map { $0 - now }.sorted()
        let median = ahead[ahead.count / 2]
        guard median > skewMax else {
            return [
                Finding(
                    "clock", .good,
                    "no member's statements come from the future (\(issued.count) were looked at)")
            ]
        }
        return [
            Finding(
                "clock", .failure, "the clock is about \(median) s behind that of others",
                advice: "set it, best by NTP: signed statements are dated, and yours look expired")
        ]
    }

    /// Fewer say nothing. A guess.
    private static let dropsJudged: UInt64 = 100

    private static func drops(_ status: NodeStatus) -> [Finding] {
        let total = status.drops.reduce(0) { $0 + $1.count }
        let base = max(1, status.datagramsIn + status.datagramsOut)
        let share = Double(total) / Double(base)
        let worst = status.drops.max { $0.count < $1.count }
        guard let worst, total >= dropsJudged, share > 0.01 else {
            return [Finding("drops", .good, "\(total) of \(base) datagrams were dropped")]
        }
        return [
            Finding(
                "drops", .warning,
                "\(total) things were dropped at \(base) datagrams, most for '\(worst.reason)'",
                advice: worst.reason.hasPrefix("socket.")
                    ? "raise net.core.rmem_max and wmem_max, or give the machine less to do"
                    : "peers that send what this node does not take: look at aro status")
        ]
    }
}

extension SocketAddress {
    fileprivate func hasHost(of other: SocketAddress) -> Bool {
        high == other.high && low == other.low
    }
}
