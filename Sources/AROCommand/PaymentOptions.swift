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
            valueName: "n"))
    var creditLimit: UInt64 = 0

    @Option(
        name: .customLong("pay-input"),
        help: ArgumentHelp(
            "What calls through the gateway may cost at most, for a million tokens of a prompt.",
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
            "What one peer is promised at most, in all, by signed vouchers.", valueName: "n"))
    var promiseLimit: UInt64 = 0

    /// What prices and limits may be: a signed 63-bit number holds a thousand of them.
    private static let amountMax: UInt64 = 1 << 52

    func validate() throws {
        for amount in [priceInput, priceOutput, creditLimit, payInput, payOutput, promiseLimit]
        where amount > Self.amountMax {
            throw ValidationError("\(amount) is too much; at most \(Self.amountMax)")
        }
    }

    var price: TokenPrice { TokenPrice(input: priceInput, output: priceOutput) }
    var priceMax: TokenPrice { TokenPrice(input: payInput, output: payOutput) }

    func apply(to configuration: inout InferenceConfiguration) {
        configuration.creditLimit = creditLimit
        configuration.promiseMax = promiseLimit
    }
}
