/// The node's and the gateway's counters in Prometheus' text format
/// (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).

import ARONode
import AROPrimitives
import ARORuntime
import HTTPTypes
import HummingbirdCore
import Synchronization

/// Requests by what they asked for and how they were answered.
final class Counters: Sendable {
    private struct Key: Hashable {
        var route: Route
        var status: Int
    }

    private let requests = Mutex<[Key: UInt64]>([:])

    func count(_ route: Route, _ status: HTTPResponse.Status) {
        requests.withLock { $0[Key(route: route, status: status.code), default: 0] += 1 }
    }

    var samples: [(route: String, status: Int, count: UInt64)] {
        requests.withLock { requests in
            requests.map { ($0.key.route.rawValue, $0.key.status, $0.value) }
                .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        }
    }
}

/// Lines of metrics, as they are written.
struct MetricsText {
    private(set) var text = ""

    mutating func add(
        _ name: String, _ kind: String, _ help: String,
        _ samples: [(labels: [(String, String)], value: Double)]
    ) {
        guard !samples.isEmpty else { return }
        text += "# HELP aro_\(name) \(help)\n# TYPE aro_\(name) \(kind)\n"
        for (labels, value) in samples {
            let list = labels.map { "\($0.0)=\"\(Self.escape($0.1))\"" }.joined(separator: ",")
            text += "aro_\(name)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))\n"
        }
    }

    mutating func gauge(_ name: String, _ help: String, _ value: some BinaryInteger) {
        add(name, "gauge", help, [([], Double(value))])
    }

    mutating func counter(_ name: String, _ help: String, _ value: some BinaryInteger) {
        add(name, "counter", help, [([], Double(value))])
    }

    private static func escape(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}

extension Desk {
    func metrics() async throws -> Response {
        let status = try await node.status()
        let usage = try await node.usage()
        var out = MetricsText()
        out.add(
            "info", "gauge", "The node and its software.",
            [([("peer", "\(node.id)"), ("version", NodeHandle.version)], 1)])
        out.add("uptime_seconds", "gauge", "How long the node runs.", [([], node.uptime.seconds)])
        out.gauge("sessions", "Open sessions with peers.", status.sessions)
        out.gauge("routing_table_peers", "Peers in the routing table.", status.tablePeers)
        out.gauge("members", "Members of the network held for alive.", status.members)
        out.gauge("neighbours", "Members of the active view.", status.neighbours)
        out.gauge("passive_peers", "Members of the passive view.", status.passivePeers)
        out.gauge("topics", "Swarms of topics that the node is in.", status.topics)
        out.gauge("local_health", "Lifeguard's local health: 0 is well.", status.localHealth)
        out.gauge("isolated", "1 where no known peer answers.", status.isIsolated ? 1 : 0)
        out.gauge("records_held", "DHT records held for others.", status.recordsHeld)
        out.gauge("roots_provided", "Roots that the node offers.", status.rootsProvided)
        out.gauge("fetches_running", "Fetches under way.", status.fetchesRunning)
        out.counter("datagrams_received_total", "Datagrams received.", status.datagramsIn)
        out.counter("datagrams_sent_total", "Datagrams sent.", status.datagramsOut)
        out.counter("received_bytes_total", "Bytes of datagrams received.", status.bytesIn)
        out.counter("sent_bytes_total", "Bytes of datagrams sent.", status.bytesOut)
        out.add(
            "dropped_total", "counter", "What was dropped, by reason.",
            status.drops.map { ([("reason", $0.reason)], Double($0.count)) })
        out.gauge("store_bytes", "Bytes of content kept.", usage.bytes)
        out.gauge("store_blocks", "Blocks of content kept.", usage.blocks)
        out.gauge("store_quota_bytes", "Bytes of content that may be kept.", node.quota)
        addGateway(to: &out)
        return Response(text: out.text, type: "text/plain; version=0.0.4; charset=utf-8")
    }

    private func addGateway(to out: inout MetricsText) {
        let places = connections.counters
        out.gauge("gateway_connections", "Open connections of the gateway.", places.open)
        out.counter(
            "gateway_connections_total", "Connections that the gateway accepted.", places.accepted)
        out.add(
            "gateway_connections_closed_total", "counter",
            "Connections that the gateway closed, by reason.",
            [
                ([("reason", "made way")], Double(places.evicted)),
                ([("reason", "no place")], Double(places.refused)),
                ([("reason", "stalled")], Double(places.stalled)),
            ])
        out.add(
            "gateway_requests_total", "counter", "Requests, by what was asked and the status.",
            counters.samples.map {
                ([("route", $0.route), ("status", "\($0.status)")], Double($0.count))
            })
    }
}
