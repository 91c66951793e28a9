/// When the nodes of a group arrive, where that is a process rather than a draw for each: Poisson,
/// or a crowd that comes all at once and then thins out.

import AROPrimitives

struct Arrivals {
    private let plan: Scenario.JoinPlan
    private let count: Int
    private var chance: Generator
    private var last: Duration

    init(_ plan: Scenario.JoinPlan, count: Int, chance: Generator) {
        (self.plan, self.count, self.chance) = (plan, count, chance)
        last = plan.at
    }

    /// The rate of a flash crowd falls by e four times within its span: to a fiftieth.
    private static let decays: Int64 = 4

    /// The next arrival; nil where the schedule is no process.
    mutating func next() -> Duration? {
        switch plan.schedule {
        case .allAtOnce, .uniform, .oneByOne: return nil
        case .poisson:
            last += SpanLaw.exponential(mean: plan.over / Int64(max(1, count))).draw(&chance)
            return last
        case .flashCrowd:
            // Who would come after the span is drawn again.
            var time: Duration
            repeat {
                time = SpanLaw.exponential(mean: plan.over / Self.decays).draw(&chance)
            } while time > plan.over
            return plan.at + time
        }
    }
}
