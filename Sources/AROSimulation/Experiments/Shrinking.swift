/// Makes a failing scenario smaller for as long as it fails alike: delta debugging (Zeller and
/// Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, 2002) on lists, halving on
/// numbers. What is changed is the scenario, never a recorded run.
///
/// Smaller scenarios tempt a failure to slip into another that reads the same: a run that ends before
/// all have joined fails to join all. Where the scenario passes without its faults, so must every
/// smaller one.

import AROPrimitives

public struct Shrinking {
    /// The smallest found so far.
    public private(set) var scenario: Scenario
    /// Scenarios that were played.
    public private(set) var runs = 0
    private let target: Failure
    private var isDueToFaults = false
    /// How each of some scenarios fails; nil for one that passes. They may be played side by side.
    private let play: ([Scenario]) -> [Failure?]
    private let say: (Scenario, Int) -> Void

    /// - Parameters:
    ///   - play: how each of some scenarios fails; nil for one that passes. It may end early with
    ///     fewer answers, which ends the search.
    ///   - said: is told each smaller scenario, with the number of runs.
    public init(
        _ scenario: Scenario, failing target: Failure, play: @escaping ([Scenario]) -> [Failure?],
        said: @escaping (Scenario, Int) -> Void = { _, _ in }
    ) {
        (self.scenario, self.target, self.play, say) = (scenario, target, play, said)
    }

    /// Looks for smaller scenarios until there are none. How many are played at once changes
    /// nothing about the result.
    public mutating func run(atOnce: Int = 1) {
        batch = max(1, atOnce)
        runs += 1
        if !scenario.faults.isEmpty {
            isDueToFaults = play([scenario.withoutFaults]).first == .some(nil)
        }
        _ = takeFirst([scenario.withSingleFaults])
        var before: Scenario
        repeat {
            before = scenario
            dropExpectations()
            shrinkGroups()
            shrinkList(\.faults)
            shrinkList(\.churn)
            shrinkList(\.workload)
            shrinkTime()
            shrinkNumbers()
            calm()
        } while scenario != before
    }

    private var batch = 1

    /// Takes the first of some smaller scenarios that fails alike. Later ones are played beside it
    /// where there is room, and forgotten.
    private mutating func takeFirst(_ candidates: [Scenario]) -> Bool {
        var left = candidates.filter { $0 != scenario && $0.isPlayable }[...]
        while !left.isEmpty {
            let now = Array(left.prefix(batch))
            left = left.dropFirst(now.count)
            runs += now.count
            for (candidate, failure) in zip(now, play(now)) where failure == target {
                guard isFaultless(candidate) else { continue }
                scenario = candidate
                say(scenario, runs)
                return true
            }
        }
        return false
    }

    private mutating func isFaultless(_ candidate: Scenario) -> Bool {
        guard isDueToFaults else { return true }
        if candidate.faults.isEmpty { return false }
        runs += 1
        return play([candidate.withoutFaults]).first == .some(nil)
    }

    // MARK: What is made smaller

    private mutating func dropExpectations() {
        guard scenario.expect.count > 1 else { return }
        var smaller = scenario
        smaller.expect = scenario.expect.filter { target.isCrash ? false : $0.words == target.text }
        _ = takeFirst([smaller])
    }

    private mutating func shrinkGroups() {
        for g in scenario.groups.indices {
            var isSmaller = true
            while isSmaller {
                let count = scenario.groups[g].count
                isSmaller = takeFirst(
                    Self.smallerCounts(count).map { smaller in
                        var candidate = scenario
                        candidate.groups[g].count = smaller
                        return candidate
                    })
            }
        }
    }

    /// The boldest first.
    private static func smallerCounts(_ count: Int) -> [Int] {
        var seen: Set<Int> = []
        return [0, 1, 2, 3, 4, count / 8, count / 4, count / 2, count - 1]
            .filter { $0 >= 0 && $0 < count && seen.insert($0).inserted }
    }

    /// ddmin: leaves out ever smaller parts of a list.
    private mutating func shrinkList<Item>(_ list: WritableKeyPath<Scenario, [Item]>) {
        var parts = 2
        while !scenario[keyPath: list].isEmpty {
            let items = scenario[keyPath: list]
            parts = min(parts, items.count)
            let candidates = (0..<parts).map { part in
                let start = items.count * part / parts
                let end = items.count * (part + 1) / parts
                var candidate = scenario
                candidate[keyPath: list] = Array(items[..<start] + items[end...])
                return candidate
            }
            if takeFirst(candidates) {
                parts = max(2, parts - 1)
            } else if parts < items.count {
                parts = min(parts * 2, items.count)
            } else {
                return
            }
        }
    }

    private mutating func shrinkTime() {
        var isSmaller = true
        while isSmaller {
            let span = scenario.duration
            isSmaller = takeFirst(
                [span / 4, span / 2, span / 4 * 3, span / 8 * 7].map {
                    scenario.cut(to: .milliseconds($0.nanoseconds / 1_000_000))
                })
        }
    }

    /// Sizes of faults and how often a step is done.
    private mutating func shrinkNumbers() {
        for i in scenario.faults.indices {
            var isSmaller = true
            while isSmaller {
                isSmaller = takeFirst(
                    scenario.faults[i].kind.smaller(of: scenario.nodeCount).map {
                        var candidate = scenario
                        candidate.faults[i].kind = $0
                        return candidate
                    })
            }
        }
        for i in scenario.workload.indices {
            var isSmaller = true
            while isSmaller {
                let times = scenario.workload[i].times
                isSmaller = takeFirst(
                    [1, times / 4, times / 2, times - 1].filter { $0 > 0 && $0 < times }.map {
                        var candidate = scenario
                        candidate.workload[i].times = $0
                        return candidate
                    })
            }
        }
    }

    /// Tries a network without surprises.
    private mutating func calm() {
        let changes: [(inout Scenario) -> Void] = [
            { scenario in
                scenario.network = NetworkModel()
                scenario.network.roundTrip = .constant(.milliseconds(50))
                scenario.matrixFile = nil
                for g in scenario.groups.indices {
                    scenario.groups[g].link = .unlimited
                    scenario.groups[g].regions = []
                    scenario.groups[g].regionShares = []
                    scenario.groups[g].access = nil
                    scenario.groups[g].nat = nil
                }
            },
            { $0.network.loss = .none }, { $0.network.jitter = nil },
            { $0.network.reorder = .never }, { $0.network.duplicate = .never },
            { $0.network.damage = .never }, { $0.network.processing = nil },
        ]
        for change in changes {
            var candidate = scenario
            change(&candidate)
            _ = takeFirst([candidate])
        }
    }
}

extension Scenario {
    /// The same without its faults.
    var withoutFaults: Scenario {
        var scenario = self
        scenario.faults = []
        return scenario
    }

    /// Whether it can be played: a file could say this.
    var isPlayable: Bool {
        (1...Self.nodesMax).contains(nodeCount) && join.bootstrap <= (groups.first?.count ?? 0)
            && duration >= window
    }

    /// The same, ended sooner.
    func cut(to end: Duration) -> Scenario {
        var scenario = self
        scenario.duration = end
        scenario.join.over = min(join.over, end)
        scenario.workload = workload.filter { $0.at < end }.map {
            var step = $0
            step.over = min(step.over, end - step.at)
            return step
        }
        scenario.faults = faults.filter { $0.at < end }.map {
            var fault = $0
            fault.kind = fault.kind.lasting(atMost: end - fault.at)
            if let until = fault.recurrence?.until { fault.recurrence?.until = min(until, end) }
            return fault
        }
        scenario.churn = churn.filter { $0.from < end }.map {
            var plan = $0
            plan.until = plan.until.map { min($0, end) }
            return plan
        }
        for g in groups.indices {
            guard var plan = groups[g].join else { continue }
            plan.at = min(plan.at, end)
            plan.over = min(plan.over, end - plan.at)
            scenario.groups[g].join = plan
        }
        scenario.metricTimes = metricTimes.filter { $0 <= end }
        scenario.graphTimes = graphTimes.filter { $0 <= end }
        if let from = measureFrom, from >= end { scenario.measureFrom = nil }
        scenario.expect = expect.map { $0.cut(to: end) }
        return scenario
    }
}

extension Expectation {
    fileprivate func cut(to end: Duration) -> Expectation {
        var expectation = self
        switch when {
        case .always(let from, let until):
            expectation.when = .always(from: min(from, end), until: until.map { min($0, end) })
        case .eventually(let span, .time(let time)):
            expectation.when = .eventually(within: min(span, end), after: .time(min(time, end)))
        case .eventually(let span, .lastFault):
            expectation.when = .eventually(within: min(span, end), after: .lastFault)
        case .atEnd, .sometimes: break
        }
        return expectation
    }
}
