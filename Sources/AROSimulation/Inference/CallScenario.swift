/// What a run of calls is made of, and what came out.

import AROInference
import AROPrimitives

/// Who chooses the provider of each call.
public enum CallPolicy: String, Hashable, Sendable, CaseIterable {
    /// The node itself, by what it knows and asks.
    case node
    case random
    /// Knows all queues, speeds and round trips at this moment.
    case oracle
    /// Knows in addition how long each answer will be, those that wait and run included: what no
    /// scheduler can know.
    case clairvoyant
}

public struct CallScenario: Hashable, Sendable {
    public var seed: UInt64 = 1
    public var nodes = 1_000
    public var providers = 100
    public var policy = CallPolicy.node
    /// Arrivals, as a share of what all providers can serve, in hundredths.
    public var loadPercent: Int64 = 80
    /// Providers that die at even times while calls are made, in hundredths.
    public var deathsPercent = 0
    /// How long calls are made, and how much of it is not measured.
    public var span = Duration.seconds(120)
    public var warmUp = Duration.seconds(20)
    public var deadline = Duration.seconds(60)
    public var queueMax = 64
    /// Of each kind there are as many: fast and slow ones, with few and many slots.
    public var tokenTimes: [Duration] = [.milliseconds(10), .milliseconds(20), .milliseconds(40)]
    public var slots = [1, 2, 4]
    /// Between any two nodes, drawn; or, of regions, as far as those are apart.
    public var roundTrip = RoundTrip.uniform(.milliseconds(20), .milliseconds(200))

    public init() {}
}

/// What the time until a first token went by.
struct FirstToken {
    var total: Duration
    /// To open a session with the provider that answered, where the caller had none.
    var handshake = Duration.zero
    /// To that provider and back.
    var roundTrip = Duration.zero
    /// What its model takes to the first token.
    var prompt = Duration.zero
    /// Whether the first provider that took the call had others before it.
    var isQueued = false

    /// The rest: asking others, and waiting for a slot.
    var choosing: Duration { max(.zero, total - handshake - roundTrip - prompt) }
}

public struct CallReport: Hashable, Sendable, CustomStringConvertible {
    public var policy: CallPolicy
    public var calls = 0
    public var completed = 0
    /// Ended with a stated reason within the deadline.
    public var failed = 0
    /// Neither: there must be none.
    public var lost = 0
    public var interruptions = 0
    public var p50 = Duration.zero
    public var p95 = Duration.zero
    public var p99 = Duration.zero
    /// Means over all first tokens, and over the slowest tenth of them.
    public var all = Parts()
    public var slowest = Parts()
    public var attempts: UInt64 = 0
    public var hedges: UInt64 = 0
    /// Reasons of failures, in the order of their first appearance.
    public var reasons: [String] = []
    public var trace: UInt64 = 0

    public init(policy: CallPolicy) { self.policy = policy }

    /// Means of what the time until the first token went by.
    public struct Parts: Hashable, Sendable, CustomStringConvertible {
        public var handshake = Duration.zero
        public var roundTrip = Duration.zero
        public var prompt = Duration.zero
        /// Asking others, and waiting for a slot.
        public var choosing = Duration.zero
        /// Calls that were taken behind others, in hundredths.
        public var queuedPercent = 0

        public init() {}

        init(_ firsts: ArraySlice<FirstToken>) {
            guard !firsts.isEmpty else { return }
            func mean(_ part: (FirstToken) -> Duration) -> Duration {
                firsts.reduce(.zero) { $0 + part($1) } / Int64(firsts.count)
            }
            (handshake, roundTrip) = (mean(\.handshake), mean(\.roundTrip))
            (prompt, choosing) = (mean(\.prompt), mean(\.choosing))
            queuedPercent = firsts.count(where: \.isQueued) * 100 / firsts.count
        }

        public var description: String {
            "handshake \(handshake.wholeMilliseconds), round trip \(roundTrip.wholeMilliseconds), "
                + "prompt \(prompt.wholeMilliseconds), asking and waiting "
                + "\(choosing.wholeMilliseconds) ms; \(queuedPercent) % taken behind others"
        }
    }

    /// Takes the first tokens, the soonest first.
    mutating func measure(_ firsts: [FirstToken]) {
        guard !firsts.isEmpty else { return }
        p50 = firsts[firsts.count / 2].total
        p95 = firsts[firsts.count * 95 / 100].total
        p99 = firsts[firsts.count * 99 / 100].total
        all = Parts(firsts[...])
        slowest = Parts(firsts.suffix(max(1, firsts.count / 10)))
    }

    public var description: String {
        "\(policy.rawValue): \(calls) calls, \(completed) completed, \(failed) failed, "
            + "\(lost) lost, \(interruptions) interrupted; first token p50 "
            + "\(p50.wholeMilliseconds) ms, p95 \(p95.wholeMilliseconds) ms, p99 "
            + "\(p99.wholeMilliseconds) ms; \(attempts) attempts, \(hedges) hedges"
            + "\n  means of all: \(all)\n  of the slowest tenth: \(slowest)"
            + (reasons.isEmpty ? "" : "\n  " + reasons.joined(separator: "\n  "))
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int64 { nanoseconds / 1_000_000 }
}
