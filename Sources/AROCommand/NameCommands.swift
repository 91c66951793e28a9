/// `aro publish` and `aro resolve`: names of a peer that point to content and may be changed.

import ARO
import ArgumentParser

struct PublishCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Let a name of this node point to content, and print the name.")

    @Argument(help: "1 to 63 bytes, without '/'.") var name: String
    @Argument(help: "What it points to from now on.", transform: Typed.cid) var cid: CID

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        // The network takes any bytes; a '/' would make PEER/NAME look like a path.
        guard (1...63).contains(name.utf8.count), !name.contains("/") else {
            throw ValidationError("a name is 1 to 63 bytes, without '/'")
        }
    }

    func run() throws {
        var peer = ""
        try node.ask(.id) { if case .event(.id(let report)) = $0 { peer = report.peer } }
        try node.ask(.publish(label: name, target: "\(cid)")) { message in
            guard case .event(.held(let held)) = message else { return }
            if json.isOn {
                return try Terminal.json(
                    Report(
                        name: "\(peer)/\(name)", cid: "\(cid)", holders: held.holders,
                        wanted: held.wanted))
            }
            try Terminal.line("\(peer)/\(name)")
            if Terminal.hasProgress {
                Terminal.error("held by \(held.holders) of \(held.wanted) peers\n")
            }
        }
    }

    private struct Report: Encodable {
        var name: String
        var cid: String
        var holders: Int
        var wanted: Int
    }
}

struct ResolveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Print the CID that a peer's name points to.")

    @Argument(
        help: ArgumentHelp("PEER/NAME, as 'aro publish' prints it.", valueName: "name"),
        transform: Typed.peerName)
    var name: PeerName

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try node.ask(.resolve(peer: "\(name.peer)", label: name.label)) { message in
            guard case .event(.name(let report)) = message else { return }
            if json.isOn { return try Terminal.json(report) }
            try Terminal.line(report.cid)
        }
    }
}
