/// `aro-sim calls`: how calls of models are routed.

import AROSimulation
import ArgumentParser

struct Calls: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how calls of models find their providers.",
        discussion: """
            A tenth of the nodes are providers of mixed speed and distance, all others call at a share \
            of what those can serve. By the node's own choice; by chance; by an oracle that knows all \
            queues, speeds and round trips; by a clairvoyant that also knows the length of every \
            answer. All pay the round trips that their choice takes, handshakes included.
            """)

    @Option(help: "Nodes, of which a tenth are providers.")
    var nodes = 1_000

    @Option(help: "Load: calls, as so many hundredths of what all providers can serve.")
    var load: Int64 = 80

    @Option(help: "How many of a hundred providers die.")
    var deaths = 0

    @Option(help: "Seconds in which calls are made, of which the first sixth is not measured.")
    var seconds: Int64 = 120

    @Flag(help: "Nodes lie in Azure's regions; else each pair is 20 to 200 ms apart, by chance.")
    var regions = false

    @Option(
        help: "Who chooses: node, random, oracle, clairvoyant; may be repeated. All, unless said.")
    var policy: [String] = []

    @Option(help: "The seed.")
    var seed: UInt64 = 1

    func validate() throws {
        guard (20...100_000).contains(nodes) else {
            throw ValidationError("--nodes: 20 to 100000")
        }
        guard (1...200).contains(load), (0...90).contains(deaths), (6...3_600).contains(seconds)
        else {
            throw ValidationError("--load: 1 to 200; --deaths: 0 to 90; --seconds: 6 to 3600")
        }
        guard policy.allSatisfy({ CallPolicy(rawValue: $0) != nil }) else {
            throw ValidationError("--policy: node, random, oracle or clairvoyant")
        }
    }

    func run() {
        let policies =
            policy.isEmpty ? CallPolicy.allCases : policy.compactMap(CallPolicy.init(rawValue:))
        for policy in policies {
            var scenario = CallScenario()
            (scenario.seed, scenario.nodes, scenario.providers) = (seed, nodes, nodes / 10)
            (scenario.policy, scenario.loadPercent) = (policy, load)
            scenario.deathsPercent = deaths
            if regions { scenario.roundTrip = .regions(.azure) }
            (scenario.span, scenario.warmUp) = (.seconds(seconds), .seconds(seconds / 6))
            var run = CallRun(scenario)
            print(run.run())
        }
    }
}
