/// The entries of `workload:`: `{lookup: {from: home}, at: 4m, over: 2m, times: 1000}`.

import AROPrimitives
import AROWire

extension Scenario {
    private static let stepNames = [
        "publish", "lookup", "find", "fetch", "subscribe", "broadcast", "call",
    ]

    private func broadcast(_ what: Field) throws(ScenarioFault) -> Step {
        let inner = try what.section(["size", "from", "senders"])
        let size = try inner["size"]?.byteCount(atMost: Int64(WireLimits.topicPayloadMax)) ?? 64
        guard size >= NumberedPost.numberByteCount else {
            throw what.fault("a post holds its number: \(NumberedPost.numberByteCount)B at least")
        }
        var hasOne = false
        if let senders = inner["senders"] {
            hasOne = try senders.choice([("one", true), ("random", false)])
        }
        return Step(
            kind: .broadcast(size: size, hasOneSender: hasOne), from: try origin(inner["from"]))
    }

    private func call(_ what: Field) throws(ScenarioFault) -> Step {
        let inner = try what.section(["model", "from", "deadline"])
        let served = groups.compactMap(\.serves).map(\.model)
        let model = try inner["model"].map(modelName) ?? served.first ?? ServingPlan().model
        let deadline = try inner["deadline"]?.duration(atMost: .hours(24)) ?? .minutes(1)
        return Step(kind: .call(model: model, deadline: deadline), from: try origin(inner["from"]))
    }

    func step(_ field: Field) throws(ScenarioFault) -> Step {
        let section = try field.section(
            Self.stepNames + ["at", "over", "times", "arrivals", "upon"])
        let kinds = section.keys.filter { Self.stepNames.contains($0) }
        guard kinds.count == 1 else {
            throw field.fault("one of \(Self.stepNames.joined(separator: ", ")) is wanted")
        }
        let what = try section.required(kinds[0])
        var step: Step
        switch kinds[0] {
        case "publish":
            let inner = try what.section(["size", "from"])
            let size = try inner["size"]?.byteCount(atMost: 1 << 30) ?? 1_024
            step = Step(kind: .publish(size: size), from: try origin(inner["from"]))
        case "lookup":
            let inner = try what.section(["from", "of"])
            let live = [("live", true), ("any", false)]
            let ofLive = try inner["of"].map { field throws(ScenarioFault) in
                try field.choice(live)
            }
            step = Step(kind: .lookup(ofLive: ofLive ?? false), from: try origin(inner["from"]))
        case "find":
            let inner = try what.section(["from", "of"])
            let of = try origin(inner["of"])
            step = Step(kind: .find(of: of), from: try origin(inner["from"]))
        case "subscribe":
            let inner = try what.section(["share", "from"])
            let share = try inner["share"]?.chance() ?? .always
            step = Step(kind: .subscribe(share), from: try origin(inner["from"]))
            if let times = section["times"] { throw times.fault("a node subscribes once") }
        case "broadcast": step = try broadcast(what)
        case "call": step = try call(what)
        default:
            let inner = try what.section(["from"])
            step = Step(kind: .fetch, from: try origin(inner["from"]))
        }
        step.at = try section.required("at").duration(atMost: duration)
        step.over = try section["over"]?.duration(atMost: duration - step.at) ?? .zero
        step.times = try section["times"]?.int(1...Self.timesMax) ?? 1
        if let arrivals = section["arrivals"] {
            step.isPoisson = try arrivals.choice([("poisson", true), ("even", false)])
        }
        if let upon = section["upon"] {
            step.isUponJoin = try upon.choice([("join", true)]) as Bool
            for key in ["over", "times", "arrivals"] {
                if let field = section[key] { throw field.fault("each node asks once, upon join") }
            }
            switch step.kind {
            case .lookup, .fetch, .find: break
            default: throw upon.fault("for lookup, find and fetch only")
            }
        }
        return step
    }

    func origin(_ field: Field?) throws(ScenarioFault) -> String? {
        guard let field else { return nil }
        let choices = [("random", String?.none)] + groups.map { ($0.name, String?.some($0.name)) }
        return try field.choice(choices)
    }
}
