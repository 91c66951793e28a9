/// `serves:` of a group: the model servers behind its nodes. Where several speeds or numbers of slots
/// are named they are dealt out in turn, so that of each kind there are as many.

import AROInference
import AROPrimitives
import AROWire

public struct ServingPlan: Hashable, Sendable {
    public var model = "model"
    /// Calls that run at once.
    public var slots = [1]
    /// Calls that may wait at one node.
    public var queueMax = 64
    public var tokenTimes = [Duration.milliseconds(20)]
    /// From the start of a call to its first token; nil for ten tokens' time.
    public var promptTime: Duration?
    /// The mean length of an answer.
    public var tokensMean = 100

    /// The server of a group's node, by its number in the group.
    func server(_ number: Int) -> ModelServer {
        var server = ModelServer()
        server.tokenTime = tokenTimes[number % tokenTimes.count]
        server.promptTime = promptTime ?? server.tokenTime * 10
        server.tokensMean = tokensMean
        return server
    }

    func served(_ number: Int) -> ServedModel {
        let kind = number / tokenTimes.count
        return ServedModel(name: model, slots: slots[kind % slots.count], queueMax: queueMax)
    }
}

// MARK: Reading and writing

extension Scenario {
    private static let kindsMax = 64

    func servingPlan(_ field: Field) throws(ScenarioFault) -> ServingPlan {
        let section = try field.section(["model", "slots", "queue", "token", "prompt", "tokens"])
        var plan = ServingPlan()
        if let model = section["model"] { plan.model = try modelName(model) }
        if let slots = section["slots"] {
            plan.slots = try Self.each(of: slots) { one throws(ScenarioFault) in
                try one.int(1...1_024)
            }
        }
        plan.queueMax = try section["queue"]?.int(0...65_535) ?? plan.queueMax
        if let token = section["token"] {
            plan.tokenTimes = try Self.each(of: token) { one throws(ScenarioFault) in
                let time = try one.duration(atMost: .minutes(1))
                guard time > .zero else { throw one.fault("a token takes time") }
                return time
            }
        }
        plan.promptTime = try section["prompt"]?.duration(atMost: .minutes(10))
        plan.tokensMean = try section["tokens"]?.int(1...100_000) ?? plan.tokensMean
        return plan
    }

    func modelName(_ field: Field) throws(ScenarioFault) -> String {
        let name = try field.text()
        guard (1...ModelOffer.nameBytesMax).contains(name.utf8.count) else {
            throw field.fault("a model's name has 1 to \(ModelOffer.nameBytesMax) bytes")
        }
        return name
    }

    /// One value, or a list of some.
    private static func each<T>(
        of field: Field, _ read: (Field) throws(ScenarioFault) -> T
    ) throws(ScenarioFault) -> [T] {
        guard field.isList else { return [try read(field)] }
        let fields = try field.list()
        guard (1...kindsMax).contains(fields.count) else {
            throw field.fault("1 to \(kindsMax) values are wanted")
        }
        var values: [T] = []
        for field in fields { values.append(try read(field)) }
        return values
    }

    func servingText(_ plan: ServingPlan) -> String {
        let slots = plan.slots.map(String.init).joined(separator: ", ")
        let times = plan.tokenTimes.map { Quantity.text($0) }.joined(separator: ", ")
        var parts = [
            "model: \(Self.quoted(plan.model))", "slots: [\(slots)]", "queue: \(plan.queueMax)",
            "token: [\(times)]",
        ]
        if let prompt = plan.promptTime { parts.append("prompt: \(Quantity.text(prompt))") }
        parts.append("tokens: \(plan.tokensMean)")
        return "serves: {\(parts.joined(separator: ", "))}"
    }
}
