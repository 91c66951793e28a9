/// `aro models`, `aro accounts`: what can be called, and who owes what for it.

import ARO
import ArgumentParser

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List the models that can be called, and who offers them.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var rows: [[String]] = []
        try node.ask(.models) { message in
            guard case .event(.offer(let offer)) = message else { return }
            if json.isOn { return try Terminal.json(offer) }
            rows.append(offer.row)
        }
        try Terminal.table(
            [
                "MODEL", "CONTEXT", "FREE", "QUEUED", "FIRST TOKEN", "PRICE IN/OUT", "PREDICTED",
                "PROVIDER",
            ], rows)
        guard rows.isEmpty, !json.isOn else { return }
        Terminal.error("nobody is known to offer a model; offer one by 'aro node --backend URL'\n")
    }
}

extension OfferReport {
    fileprivate var row: [String] {
        let isFree = model.inputPrice == 0 && model.outputPrice == 0
        return [
            Terminal.plain(model.name),
            model.contextTokens == 0 ? "-" : "\(model.contextTokens)",
            "\(model.slotsFree) of \(model.slots)", "\(model.queued)",
            model.firstTokenMilliseconds == 0 ? "-" : "\(model.firstTokenMilliseconds) ms",
            isFree
                ? "free"
                : "\(Format.amount(model.inputPrice))/\(Format.amount(model.outputPrice))",
            own ? "-" : Format.milliseconds(predictedMilliseconds),
            own ? "\(peer) (this node)" : peer,
        ]
    }
}

struct AccountsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts",
        abstract: "Show what was earned and spent with each peer, and what is promised and owed.",
        discussion: """
            Amounts are in units of account, six decimals; with --json in millionths. A promise is \
            a signed voucher; nothing is settled by the network itself.
            """)

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var rows: [[String]] = []
        try node.ask(.accounts) { message in
            guard case .event(.account(let account)) = message else { return }
            if json.isOn { return try Terminal.json(account) }
            rows.append(account.row)
        }
        try Terminal.table(
            [
                "SERVED", "EARNED", "UNSIGNED", "PROMISED US", "OWED US", "CALLED", "SPENT",
                "PROMISED", "OWED", "PEER",
            ], rows)
    }
}

extension AccountReport {
    fileprivate var row: [String] {
        [
            "\(callsServed)", Format.amount(earned), Format.amount(claimed),
            Format.amount(received), Format.amount(owedToUs), "\(callsMade)",
            Format.amount(spent), Format.amount(given), Format.amount(owedByUs), peer,
        ]
    }
}

extension Format {
    /// Millionths of the unit of account, as units.
    static func amount(_ millionths: UInt64) -> String {
        let fraction = "\(millionths % 1_000_000)"
        let digits = String(repeating: "0", count: 6 - fraction.count) + fraction
        let trimmed = digits.reversed().drop { $0 == "0" }.reversed()
        let whole = "\(millionths / 1_000_000)"
        return trimmed.isEmpty ? whole : "\(whole).\(String(trimmed))"
    }
}
