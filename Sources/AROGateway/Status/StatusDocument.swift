/// What the node is, does and knows, as one document: for the status page and for programs.

import AROBackend
import ARONode
import AROPrimitives
import ARORuntime
import AROWire
import HTTPTypes
import HummingbirdCore

extension Desk {
    /// How often the page is told anew. A guess: faster is not read, slower looks dead.
    private static let periodMilliseconds: Int64 = 1_000
    /// Rows of a list in one document. A guess.
    private static let rowsMax = 200
    /// A guess: what fits on a page.
    private static let receiptsMax = 20

    func status() async throws -> Response { Response(json: try await statusDocument()) }

    /// The document again and again, as events.
    func statusEvents() -> Response {
        Response { [self] sink in
            while !Task.isCancelled {
                try await sink.send(try await statusDocument())
                try await Task.sleep(for: .milliseconds(Self.periodMilliseconds))
            }
        }
    }

    private func statusDocument() async throws -> JSON {
        async let status = node.status()
        async let usage = node.usage()
        async let peers = node.peers()
        async let members = node.members()
        async let roots = node.roots()
        async let models = inference.models()
        async let receipts = node.receipts(limit: Self.receiptsMax)
        let rows = Dictionary(
            try await members.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        return [
            "node": try await nodeDocument(status, usage),
            "peers": .array(
                try await peers.prefix(Self.rowsMax).map { $0.document(rows[$0.id]) }),
            "members": .array(try await members.prefix(Self.rowsMax).map { $0.document }),
            "transfers": .array(node.runningTransfers.prefix(Self.rowsMax).map { $0.document }),
            "content": .array(try await roots.suffix(Self.rowsMax).map { $0.document }),
            "models": .array(((try? await models) ?? []).map(\.document)),
            "calls": .array(calls.latest.map { $0.document }),
            "receipts": .array(((try? await receipts) ?? []).map { $0.document(for: node.id) }),
        ]
    }

    private func nodeDocument(_ status: NodeStatus, _ usage: StoreUsage) -> JSON {
        [
            "peer": .string("\(node.id)"), "version": .string(NodeHandle.version),
            "addresses": .array(node.addresses.map { .string("\($0)") }),
            "observed_address": JSON(status.observedAddress.map { "\($0)" }),
            "isolated": .bool(status.isIsolated), "uptime_seconds": .number(node.uptime.seconds),
            "sessions": JSON(status.sessions), "table_peers": JSON(status.tablePeers),
            "members": JSON(status.members), "neighbours": JSON(status.neighbours),
            "topics": JSON(status.topics), "records_held": JSON(status.recordsHeld),
            "roots_provided": JSON(status.rootsProvided),
            "bytes_in": JSON(status.bytesIn), "bytes_out": JSON(status.bytesOut),
            "datagrams_in": JSON(status.datagramsIn), "datagrams_out": JSON(status.datagramsOut),
            "store_bytes": JSON(usage.bytes), "store_blocks": JSON(usage.blocks),
            "quota_bytes": JSON(node.quota),
            "dropped": JSON(status.drops.reduce(0) { $0 + $1.count }),
        ]
    }
}

private func milliseconds(_ span: AROPrimitives.Duration?) -> JSON {
    span.map { .number(($0.milliseconds * 100).rounded() / 100) } ?? .null
}

extension PeerStatus {
    fileprivate func document(_ member: MemberStatus?) -> JSON {
        [
            "peer": .string("\(id)"), "address": .string("\(address)"),
            "round_trip_ms": milliseconds(roundTrip), "bytes_in": JSON(bytesIn),
            "bytes_out": JSON(bytesOut), "in_table": .bool(isInTable),
            "state": JSON(member?.state.rawValue),
        ]
    }
}

extension MemberStatus {
    var document: JSON {
        let offer = announcement.offer
        return [
            "peer": .string("\(id)"), "state": .string(state.rawValue),
            "neighbour": .bool(isNeighbour),
            "addresses": .array(offer.addresses.map { .string("\($0)") }),
            "round_trip_ms": milliseconds(roundTrip ?? predictedRoundTrip),
            "storage_free": JSON(offer.storage.freeBytes), "software": .string(offer.software),
            "models": .array(offer.models.map { .string($0.name) }),
        ]
    }
}

extension Transfer {
    fileprivate var document: JSON {
        [
            "number": JSON(number), "kind": .string(kind.rawValue),
            "root": JSON(root.map { "\($0)" }), "path": .string(path.joined(separator: "/")),
            "done": JSON(done), "total": total.map { JSON($0) } ?? .null,
            "providers": JSON(providers), "fetched": JSON(fetched),
        ]
    }
}

extension Receipt {
    /// - Parameter reader: to whom it is shown.
    fileprivate func document(for reader: PeerID) -> JSON {
        [
            "key": .string("\(statement.key)"), "model": .string(statement.model),
            "outcome": .string("\(statement.outcome)"),
            "served": .bool(provider == reader),
            "other": .string("\(provider == reader ? caller : provider)"),
            "countersigned": .bool(isCountersigned), "price": JSON(statement.price),
            "input_tokens": JSON(statement.usage.input),
            "output_tokens": JSON(statement.usage.output),
            "ended": .number(Double(statement.ended.seconds)),
        ]
    }
}

extension HeldRoot {
    fileprivate var document: JSON {
        [
            "cid": .string("\(root)"), "name": .string(name), "pinned": .bool(isPinned),
            "bytes": byteCount.map { JSON($0) } ?? .null,
        ]
    }
}

extension CallNote {
    fileprivate var document: JSON {
        let state: String
        var words: String?
        switch outcome {
        case .running: state = "running"
        case .finished: state = "finished"
        case .cancelled: state = "cancelled"
        case .failed(let why): (state, words) = ("failed", why)
        }
        return [
            "number": JSON(number), "model": .string(model), "endpoint": .string(endpoint),
            "provider": JSON(provider), "started": .number(started), "state": .string(state),
            "error": JSON(words), "resumed": JSON(resumed),
            "first_output_seconds": firstOutputSeconds.map { .number($0) } ?? .null,
            "seconds": seconds.map { .number($0) } ?? .null,
            "input_tokens": inputTokens.map { JSON($0) } ?? .null,
            "output_tokens": outputTokens.map { JSON($0) } ?? .null,
        ]
    }
}
