/// `aro members`: who is in the network, what each offers, and what changes.

import ARO
import ArgumentParser

struct MembersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members",
        abstract: "List the members of the network that this node knows of, and what they offer.",
        discussion: """
            In a network of up to about a thousand nodes these are all of them; in a larger one, a \
            fair sample.
            """)

    @Flag(help: "Go on and print what changes, one line each, until interrupted.")
    var watch = false

    @Option(
        help: ArgumentHelp("Only members that offer this model.", valueName: "name"))
    var model: String?

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var rows: [[String]] = []
        var offering: Set<String> = []
        try node.ask(watch ? .watchMembers : .members) { message in
            switch message {
            case .event(.member(let member)):
                guard isWanted(member, member.peer, &offering) else { return }
                if json.isOn { return try Terminal.json(member) }
                guard watch else { return rows.append(member.row) }
                try Terminal.line(member.row.joined(separator: "  "))
            case .event(.memberEvent(let event)):
                if let peer = event.peer, !isWanted(event.member, peer, &offering) { return }
                if json.isOn { return try Terminal.json(event) }
                if let missed = event.missed {
                    return Terminal.error("missed \(missed) changes; 'aro members' has them\n")
                }
                let models = event.member.map(\.offers) ?? ""
                try Terminal.line("\(event.event)  \(event.peer ?? "-")  \(models)")
            default: break
            }
        }
        try Terminal.table(MemberReport.heading, rows)
    }

    /// Who offers the model, or did when it was last heard of: that it does no more is news.
    private func isWanted(
        _ member: MemberReport?, _ peer: String, _ offering: inout Set<String>
    ) -> Bool {
        guard let model else { return true }
        let did = offering.contains(peer)
        guard let member else { return did }
        let does = member.models.contains { $0.name == model }
        if does { offering.insert(peer) } else { offering.remove(peer) }
        return does || did
    }
}

extension MemberReport {
    static let heading = [
        "PEER", "STATE", "ROUND TRIP", "PREDICTED", "FREE", "AGE", "OFFERS", "ADDRESS",
    ]

    var row: [String] {
        [
            peer, state + (neighbour ? "*" : ""), Format.milliseconds(roundTripMilliseconds),
            Format.milliseconds(predictedMilliseconds), Format.bytes(storageFree),
            Format.time(Double(ageSeconds)), offers, addresses.first ?? "-",
        ]
    }

    var offers: String { models.offers }
}

extension PeerReport {
    var offers: String { models.offers }
}

extension [ModelReport] {
    fileprivate var offers: String {
        guard !isEmpty else { return "-" }
        return map { "\(Terminal.plain($0.name)) (\($0.slotsFree) of \($0.slots) free)" }
            .joined(separator: ", ")
    }
}

extension Format {
    static func milliseconds(_ value: Double?) -> String {
        value.map { "\(($0 * 10).rounded() / 10) ms" } ?? "-"
    }
}
