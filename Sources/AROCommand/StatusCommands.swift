/// `aro peers`, `aro status`, `aro id`: what the node knows and does.

import ARO
import ArgumentParser

struct PeersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "List the peers that this node knows.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var rows: [[String]] = []
        try node.ask(.peers) { message in
            guard case .event(.peer(let peer)) = message else { return }
            if json.isOn { return try Terminal.json(peer) }
            rows.append([
                peer.peer, peer.address, peer.connected ? "open" : "-",
                peer.inTable ? "yes" : "no",
                Format.milliseconds(peer.roundTripMilliseconds), peer.state ?? "-",
                Format.milliseconds(peer.predictedMilliseconds), peer.offers,
                Format.bytes(peer.bytesIn), Format.bytes(peer.bytesOut),
            ])
        }
        try Terminal.table(
            [
                "PEER", "ADDRESS", "SESSION", "IN TABLE", "ROUND TRIP", "STATE", "PREDICTED",
                "OFFERS", "RECEIVED", "SENT",
            ], rows)
    }
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what the node does, and what it dropped and why.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try node.ask(.status) { message in
            guard case .event(.status(let status)) = message else { return }
            if json.isOn { return try Terminal.json(status) }
            for (name, value) in status.lines {
                try Terminal.line(name.padding(toLength: 12, withPad: " ", startingAt: 0) + value)
            }
        }
    }
}

extension StatusReport {
    var lines: [(String, String)] {
        let listening = addresses.joined(separator: ", ")
        let seen = observedAddress.map { "; peers see \($0)" } ?? ""
        let drops = drops.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let room = quota.map { " of \(Format.bytes($0))" } ?? ""
        return [
            ("peer", peer),
            ("listening", listening + seen),
            ("running", "\(Format.time(uptimeSeconds)), process \(process)"),
            ("network", "\(sessions) sessions open, \(tablePeers) peers in the routing table"),
            (
                "members",
                "\(members) alive, \(neighbours) of them neighbours, \(passivePeers) in reserve; "
                    + "\(topics) topics; local health \(localHealth)"
            ),
            ("records", "\(recordsHeld) held for others, \(rootsProvided) roots provided"),
            ("store", "\(Format.bytes(storeBytes))\(room) in \(storeBlocks) blocks"),
            ("fetches", "\(fetchesRunning) running"),
            ("received", "\(datagramsIn) datagrams, \(Format.bytes(bytesIn))"),
            ("sent", "\(datagramsOut) datagrams, \(Format.bytes(bytesOut))"),
            ("dropped", drops.isEmpty ? "nothing" : drops.joined(separator: ", ")),
        ]
    }
}

struct IDCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "Print who this node is.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try node.ask(.id) { message in
            guard case .event(.id(let report)) = message else { return }
            if json.isOn { return try Terminal.json(report) }
            try Terminal.line(report.peer)
        }
    }
}
