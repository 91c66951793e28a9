import AROPrimitives
import Testing

@testable import AROSimulation

@Suite struct FidelityComparison {
    /// Both fidelities on one scenario of forty nodes; `aro-sim compare` does the same for
    /// any file. Where nothing is lost the gaps are some thousandths; the bounds leave room for
    /// look-ups that a change of the transport sends another way.
    @Test func `both fidelities tell the same of joins, look-ups and traffic`() throws {
        let scenario = try Scenario(
            yaml: """
                aro_scenario: 1
                name: fidelity
                duration: 60s
                nodes: [{count: 40}]
                join: {over: 20s}
                network:
                  rtt: {uniform: [20ms, 100ms]}
                  jitter: {lognormal: {median: 1ms, sigma: 0.5}}
                workload:
                  - {publish: {size: 1KiB}, at: 25s, over: 10s, times: 20}
                  - {lookup: {}, at: 40s, over: 15s, times: 80}
                """, file: "fidelity.yaml")
        let gap = scenario.compareFidelities(clock: { 0 })
        print(gap)
        func isWithin(_ share: Double, _ name: String) -> Bool {
            (gap[name]?.share).map { abs($0) <= share } ?? false
        }
        for name in ["join_success_rate", "publish_success_rate", "lookup_success_rate"] {
            #expect(gap[name]?.datagrams?.value == 1, "\(name)")
            #expect(gap[name]?.messages?.value == 1, "\(name)")
        }
        #expect(isWithin(0.03, "lookup_hops_mean"), "\(gap)")
        #expect(isWithin(0.03, "lookup_rpcs"), "\(gap)")
        #expect(isWithin(0.03, "lookup_latency_p50"), "\(gap)")
        #expect(isWithin(0.03, "lookup_latency_p90"), "\(gap)")
        #expect(isWithin(0.03, "join_latency_p50"), "\(gap)")
        #expect(isWithin(0.03, "datagrams_per_node"), "\(gap)")
        #expect(isWithin(0.03, "bytes_per_node"), "\(gap)")
        for family in ["kademlia", "membership", "announcement"] {
            #expect(isWithin(0.05, "messages_\(family)"), "\(gap)")
            #expect((gap["messages_\(family)"]?.messages?.value ?? 0) > 0)
        }
    }
}
