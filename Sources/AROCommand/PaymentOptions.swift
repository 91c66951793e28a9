/// What calls of models cost: here, and elsewhere at most. Everything is free unless said.

import ARO
import ArgumentParser

struct PaymentOptions: ParsableArguments {
    @Option(
        name: .customLong("price-input"),
        help: ArgumentHelp(
            "What a million tokens of a prompt cost here, in millionths of the unit of account.",
            valueName: "n"))
    var priceInput: UInt64 = 0

    @Option(
        name: .customLong("price-output"),
        help: ArgumentHelp(
            "What a million tokens of an answer cost here, in millionths of the unit.",
            valueName: "n"))
    var priceOutput: UInt64 = 0

    @Option(
        name: .customLong("credit-limit"),
        help: ArgumentHelp(
            "What a peer may owe without having promised it, in millionths of the unit.",
            discussion: "Default: the price of 100,000 tokens of a prompt and of an answer.",
            valueName: "n"))
    var creditLimit: UInt64?

    @Option(
        name: .customLong("pay-input"),
        help: ArgumentHelp(
            "What this node's own calls may cost at most, for a million tokens of a prompt.",
            valueName: "n"))
    var payInput: UInt64 = 0

    @Option(
        name: .customLong("pay-output"),
        help: ArgumentHelp(
            "What they may cost at most, for a million tokens of an answer.", valueName: "n"))
    var payOutput: UInt64 = 0

    @Option(
        name: .customLong("promise-limit"),
        help: ArgumentHelp(
            "What one peer is promised at most, in all, by signed vouchers.",
            discussion: "Default: ten million tokens each way at --pay-input and --pay-output.",
            valueName: "n"))
    var promiseLimit: UInt64?

    /// What prices and limits may be: a signed 63-bit number holds a thousand of them.
    private static let amountMax: UInt64 = 1 << 52

    func validate() throws {
        for amount in [priceInput, priceOutput, payInput, payOutput]
            + [creditLimit, promiseLimit].compactMap(\.self)
        where amount > Self.amountMax {
            throw ValidationError("\(amount) is too much; at most \(Self.amountMax)")
        }
    }

    var price: TokenPrice { TokenPrice(input: priceInput, output: priceOutput) }
    private var priceMax: TokenPrice { TokenPrice(input: payInput, output: payOutput) }

    func apply(to configuration: inout NodeConfiguration) {
        configuration.priceMax = priceMax
        configuration.node.inference.creditLimit = creditLimit ?? (priceInput + priceOutput) / 10
        configuration.node.inference.promiseMax = promiseLimit ?? (payInput + payOutput) * 10
    }
}
