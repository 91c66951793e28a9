/// Does what the clients of the control channel ask, with the node's handle.

import ARONode
import AROContent
import AROPrimitives
import AROWire
import Foundation
import Synchronization

struct ControlAnswers: Sendable {
    let node: NodeHandle

    func answer(_ command: ControlCommand, _ client: ControlClientEnd) async throws {
        switch command {
        case .put(let path): try await put(path, client)
        case .get(let root, let path, let from, let to, let publisher, let patience):
            let options = FetchOptions(
                root: try CID(root), path: path, range: try range(from, to),
                publisher: try publisher.map(peer), patience: try patience.map(span))
            try await get(options, client)
        case .list(let root, let path): try await list(root, path, client)
        case .providers(let root, let limit):
            for try await contact in node.providers(of: try CID(root), limit: limit) {
                try await client.send(.provider(ProviderReport(contact)))
            }
        case .pinAdd(let root): try await pin(try CID(root), client)
        case .pinRemove(let root):
            guard try await node.unpin(try CID(root)) else {
                throw FailureReport(.notFound, "\(root) was not pinned")
            }
        case .pinList:
            for root in try await node.roots() where root.isPinned {
                try await client.send(.root(RootReport(root)))
            }
        case .publish(let label, let target):
            let held = try await node.publish(label, target: try CID(target))
            try await client.send(.held(HeldReport(holders: held.held, wanted: held.wanted)))
        case .resolve(let publisher, let label):
            let name = try await node.resolve(label, of: try peer(publisher))
            try await client.send(.name(NameReport(name)))
        case .prove(let root, let path, let offset):
            let proof = try await node.proof(of: try CID(root), path: path, offset: offset)
            try await client.send(bytes: proof.bytes)
        case .peers:
            try await peers(client)
        case .members, .watchMembers, .topicPublish, .topicSubscribe:
            try await answerGossip(command, client)
        case .models, .call, .receipts, .accounts: try await answerInference(command, client)
        case .status: try await client.send(.status(try await status()))
        case .doctor:
            for finding in try await node.checkup() { try await client.send(.finding(finding)) }
        case .id: try await client.send(.id(IdentityReport(node)))
        }
    }

    private func peer(_ text: String) throws -> PeerID {
        guard let peer = PeerID(text) else {
            throw FailureReport(.usage, "'\(text)' is no peer (bafzaa…)")
        }
        return peer
    }

    private func span(_ seconds: Double) throws -> Duration {
        guard seconds > 0, seconds <= 86_400 else {
            throw FailureReport(.usage, "patience is more than 0 and at most a day")
        }
        return .nanoseconds(Int64(seconds * 1e9))
    }

    private func range(_ from: UInt64?, _ to: UInt64?) throws -> Range<UInt64>? {
        if from == nil, to == nil { return nil }
        let range = (from ?? 0, to ?? .max)
        guard range.0 < range.1 else { throw FailureReport(.usage, "the range is empty") }
        return range.0..<range.1
    }
}

// MARK: - Put and get

extension ControlAnswers {
    private func put(_ path: String?, _ client: ControlClientEnd) async throws {
        let result = try await reporting(to: client) { report in
            let progress: JobProgress = { done, total in
                report(ProgressReport(phase: .importing, done: done, total: total))
            }
            guard let path else {
                return try await node.put(
                    next: { try await client.nextBytes() }, progress: progress)
            }
            return try await node.put(path: path, progress: progress)
        }
        try await client.send(.put(PutReport(result)))
    }

    /// Sends what is fetched while it comes: an entry, a file with its bytes, a directory with all
    /// that is in it.
    private func get(_ options: FetchOptions, _ client: ControlClientEnd) async throws {
        let sender = EntrySender(client)
        try await reporting(to: client) { report in
            try await node.stream(options, progress: { report(ProgressReport($0)) }) {
                try await sender.send($0)
            }
        }
    }

    private func fetch(_ options: FetchOptions, _ client: ControlClientEnd) async throws {
        try await reporting(to: client) { report in
            for try await progress in node.fetch(options) { report(ProgressReport(progress)) }
        }
    }

    private func pin(_ root: CID, _ client: ControlClientEnd) async throws {
        try await fetch(FetchOptions(root: root), client)
        try await node.pin(root)
    }

    /// Runs a job and passes its progress on, at most every tenth of a second, and at its end: the
    /// last report has the sums.
    private func reporting<T: Sendable>(
        to client: ControlClientEnd,
        _ job: @escaping @Sendable (@escaping @Sendable (ProgressReport) -> Void) async throws -> T
    ) async throws -> T {
        let (reports, sink) = AsyncStream.makeStream(
            of: ProgressReport.self, bufferingPolicy: .bufferingNewest(1))
        let newest = NewestReport()
        let result = try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                // A job that ends cancels this task, perhaps in the middle of a send: that report
                // does not count as sent.
                for await report in reports {
                    guard (try? await client.send(.progress(report))) != nil else { continue }
                    newest.state.withLock { $0.sent = report }
                    try? await Task.sleep(nanoseconds: 100_000_000)
                }
                return nil
            }
            group.addTask {
                defer { sink.finish() }
                return try await job { report in
                    newest.state.withLock { $0.made = report }
                    sink.yield(report)
                }
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
        let unsent = newest.state.withLock { $0.made == $0.sent ? nil : $0.made }
        if let unsent { try await client.send(.progress(unsent)) }
        return result
    }
}

/// The last report that a job made, and the last one that its client was sent.
private final class NewestReport: Sendable {
    struct State {
        var made: ProgressReport?
        var sent: ProgressReport?
    }

    let state = Mutex(State())
}

/// Says on the control channel what comes out of a tree.
private actor EntrySender {
    private let client: ControlClientEnd
    /// The directories that we are in; the top one has no name.
    private var directories: [String?] = []

    init(_ client: ControlClientEnd) { self.client = client }

    func send(_ step: ExportStep) async throws {
        switch step {
        case .beginFile(let name, let cid, let byteCount):
            try await send(.file, name, cid, byteCount: byteCount)
        case .bytes(let bytes, _): try await client.send(bytes: Array(bytes))
        case .enterDirectory(let name, let cid):
            try await send(.directory, name, cid)
            directories.append(name)
        case .leaveDirectory: directories.removeLast()
        case .symlink(let name, let cid, let target):
            try await send(.symlink, name, cid, target: target)
        case .endFile, .needBlock, .finished, .failed: break
        }
    }

    private func send(
        _ kind: ContentEntry.Kind, _ name: String?, _ cid: CID, byteCount: UInt64? = nil,
        target: String? = nil
    ) async throws {
        let path = (directories + [name]).compactMap { $0 }
        try await client.send(
            .entry(
                EntryReport(
                    path: path, kind: kind, cid: "\(cid)", bytes: byteCount, target: target)))
    }
}

// MARK: - Lists and status

extension ControlAnswers {
    private func list(
        _ root: String?, _ path: [String], _ client: ControlClientEnd
    ) async throws {
        guard let root else {
            for root in try await node.roots() { try await client.send(.root(RootReport(root))) }
            return
        }
        let options = FetchOptions(root: try CID(root), path: path, scope: .listing)
        try await fetch(options, client)
        let entry = try await node.entry(options.root, path: path)
        guard entry.kind == .directory else {
            return try await client.send(.entry(EntryReport(entry, at: [])))
        }
        for child in try await node.list(entry.cid) {
            try await client.send(.entry(EntryReport(child, at: [child.name])))
        }
    }

    private func status() async throws -> StatusReport {
        let status = try await node.status()
        let usage = try await node.usage()
        return StatusReport(
            peer: "\(node.id)", addresses: node.addresses.map(\.description),
            observedAddress: status.observedAddress?.description, process: getpid(),
            uptimeSeconds: node.uptime.seconds, sessions: status.sessions,
            members: status.members, neighbours: status.neighbours,
            passivePeers: status.passivePeers, topics: status.topics,
            localHealth: status.localHealth,
            tablePeers: status.tablePeers, recordsHeld: status.recordsHeld,
            rootsProvided: status.rootsProvided, fetchesRunning: status.fetchesRunning,
            datagramsIn: status.datagramsIn, datagramsOut: status.datagramsOut,
            bytesIn: status.bytesIn, bytesOut: status.bytesOut, storeBytes: usage.bytes,
            storeBlocks: usage.blocks, quota: node.quota,
            drops: Dictionary(status.drops.map { ($0.reason, $0.count) }, uniquingKeysWith: +))
    }
}

extension ProviderReport {
    init(_ contact: Contact) {
        self.init(peer: "\(contact.id)", addresses: contact.addresses.map(\.description))
    }
}

extension PutReport {
    init(_ result: PutResult) {
        self.init(
            cid: "\(result.root)", bytes: result.byteCount, holders: result.announced?.held ?? 0,
            wanted: result.announced?.wanted ?? 0)
    }
}

extension ProgressReport {
    init(_ progress: FetchProgress) {
        self.init(
            phase: .fetching, done: progress.bytesStored, total: progress.bytesWanted,
            providers: progress.providers, fetched: progress.bytesFetched)
    }
}

extension EntryReport {
    init(_ entry: ContentEntry, at path: [String]) {
        self.init(
            path: path, kind: entry.kind, cid: "\(entry.cid)", bytes: entry.byteCount,
            target: entry.target)
    }
}

extension RootReport {
    init(_ root: HeldRoot) {
        self.init(
            cid: "\(root.root)", bytes: root.byteCount, name: root.name, pinned: root.isPinned)
    }
}

extension NameReport {
    init(_ name: ResolvedName) {
        self.init(
            cid: "\(name.target)", sequence: name.sequence, expires: name.expires.seconds)
    }
}

extension PeerReport {
    /// - Parameter member: what the peer announced.
    init(_ peer: PeerStatus, _ member: MemberStatus?) {
        self.init(
            peer: "\(peer.id)", address: "\(peer.address)", connected: peer.isConnected,
            inTable: peer.isInTable, roundTripMilliseconds: peer.roundTrip?.milliseconds,
            state: member?.state.rawValue,
            predictedMilliseconds: member?.predictedRoundTrip?.milliseconds,
            models: member?.announcement.offer.models.map { ModelReport($0) } ?? [],
            bytesIn: peer.bytesIn, bytesOut: peer.bytesOut)
    }
}

extension IdentityReport {
    init(_ node: NodeHandle) {
        self.init(
            peer: "\(node.id)", addresses: node.addresses.map(\.description),
            dataDirectory: node.dataDirectory)
    }
}
