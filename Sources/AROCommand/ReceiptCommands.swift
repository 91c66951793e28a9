/// `aro receipts`: what calls cost and who signed for it; checked without a network.

import ARO
import AROInference
import AROPrimitives
import AROWire
import ArgumentParser
import Foundation

struct ReceiptsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipts",
        abstract: "List, show and check the receipts of calls made and served.",
        subcommands: [List.self, Show.self, Verify.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List the latest receipts, the newest first.")

        @Option(help: "How many at most.") var limit = 20
        @OptionGroup var node: NodeOptions
        @OptionGroup var json: JSONOption

        func validate() throws {
            guard (1...100_000).contains(limit) else {
                throw ValidationError("--limit is 1 to 100000")
            }
        }

        func run() throws {
            var rows: [[String]] = []
            try node.ask(.receipts(key: nil, limit: limit)) { message in
                guard case .event(.receipt(let receipt)) = message else { return }
                if json.isOn { return try Terminal.json(receipt) }
                rows.append(receipt.row)
            }
            try Terminal.table(ReceiptReport.heading, rows)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show the receipt of one call, or write it out.")

        @Argument(
            help: ArgumentHelp(
                "The key of the list, or the idempotency key that the caller gave.",
                valueName: "key"))
        var key: String

        @Option(
            name: .shortAndLong,
            help: ArgumentHelp(
                "Write the signed receipt to this file, for 'aro receipts verify'.",
                valueName: "file"))
        var output: String?

        @Option(
            help: ArgumentHelp("Only what this peer answered.", valueName: "peer"),
            transform: Typed.peer)
        var provider: PeerID?

        @Option(
            help: ArgumentHelp("Only what this peer called.", valueName: "peer"),
            transform: Typed.peer)
        var caller: PeerID?

        @OptionGroup var node: NodeOptions
        @OptionGroup var json: JSONOption

        func run() throws {
            let found = try receipts()
            guard let first = found.first else {
                throw CommandFailure(.notFound, "no receipt of such a call is here")
            }
            if let output {
                guard found.count == 1 else {
                    throw CommandFailure(
                        .usage, Self.ambiguity(found) + "; say which by --provider or --caller")
                }
                return try Terminal.save(Data(base64Encoded: first.signed) ?? Data(), to: output)
            }
            for (i, receipt) in found.enumerated() {
                if json.isOn {
                    try Terminal.json(receipt)
                } else {
                    if i > 0 { try Terminal.line("") }
                    try receipt.show()
                }
            }
        }

        private func receipts() throws -> [ReceiptReport] {
            var found: [ReceiptReport] = []
            let key = CallKey(key) ?? CallKey(hashing: key)
            try node.ask(.receipts(key: "\(key)", limit: 1)) { message in
                if case .event(.receipt(let receipt)) = message { found.append(receipt) }
            }
            return found.filter { receipt in
                provider.map { "\($0)" == receipt.provider } ?? true
                    && caller.map { "\($0)" == receipt.caller } ?? true
            }
        }

        private static func ambiguity(_ found: [ReceiptReport]) -> String {
            let pairs = found.map { "\($0.caller) called \($0.provider)" }
            return "\(found.count) receipts have this key: " + pairs.joined(separator: ", ")
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Check a receipt's signatures, without a node and without a network.",
            discussion: """
                Ends with exit code 5 if the receipt is damaged, a signature is wrong, or it is not \
                what was demanded.
                """)

        @Argument(help: "A file of 'aro receipts show -o'; '-' is standard input.")
        var file: String

        @Option(
            help: ArgumentHelp("Demand that this peer answered.", valueName: "peer"),
            transform: Typed.peer)
        var provider: PeerID?

        @Option(
            help: ArgumentHelp("Demand that this peer called.", valueName: "peer"),
            transform: Typed.peer)
        var caller: PeerID?

        @Flag(help: "Demand that the caller has signed, too.") var countersigned = false

        @OptionGroup var json: JSONOption

        func run() throws {
            let receipt = try read()
            do throws(ReceiptFailure) { try receipt.verify() } catch {
                throw CommandFailure(.unverified, "the receipt is \(error.rawValue)")
            }
            if let provider, provider != receipt.provider {
                throw CommandFailure(.unverified, "answered by \(receipt.provider)")
            }
            if let caller, caller != receipt.caller {
                throw CommandFailure(.unverified, "called by \(receipt.caller)")
            }
            guard receipt.isCountersigned || !countersigned else {
                throw CommandFailure(.unverified, "its caller has not signed it")
            }
            let report = ReceiptReport(receipt)
            if json.isOn { try Terminal.json(report) } else { try report.show() }
        }

        private func read() throws -> Receipt {
            guard let handle = file == "-" ? .standardInput : FileHandle(forReadingAtPath: file)
            else { throw SystemFailure("read \(file)") }
            let bytes = [UInt8](try handle.read(upToCount: Receipt.byteCountMax + 1) ?? Data())
            do throws(DecodingFailure) { return try Receipt(bytes: bytes) } catch {
                throw CommandFailure(.unverified, "this is no receipt: \(error)")
            }
        }
    }
}

extension ReceiptReport {
    fileprivate static let heading = [
        "KEY", "ENDED", "MODEL", "TOKENS IN/OUT", "PRICE", "OUTCOME", "SIGNED BY", "PROVIDER",
    ]

    fileprivate var row: [String] {
        [
            key, Self.time(ended), Terminal.plain(model), "\(inputTokens)/\(outputTokens)",
            Format.amount(price), outcome, signers, provider,
        ]
    }

    private var signers: String { countersigned ? "both" : "provider" }

    private static func time(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }

    fileprivate func show() throws {
        let rows = [
            ("key", key), ("model", Terminal.plain(model)), ("endpoint", endpoint),
            ("outcome", outcome), ("provider", provider), ("caller", caller),
            ("tokens", "\(inputTokens) in, \(outputTokens) out"), ("price", Format.amount(price)),
            ("started", Self.time(started)), ("ended", Self.time(ended)),
            ("answer", "\(events) events, \(bytes) bytes"), ("request", request),
            ("response", response),
            ("signed by", countersigned ? "provider and caller" : "provider"),
        ]
        for (name, value) in rows {
            try Terminal.line(name.padding(toLength: 11, withPad: " ", startingAt: 0) + value)
        }
    }
}
