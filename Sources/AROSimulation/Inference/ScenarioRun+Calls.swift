/// Calls of models in a scenario: who serves, who calls, and how long until the first token.

import AROInference
import ARONode
import AROPrimitives
import AROWire

extension ScenarioRun where Resident: ~Copyable {
    /// Lets a node that has just started, for the first time or again, serve what its group serves.
    mutating func serve(_ node: Int) {
        guard let plan = scenario.groups[groupOf[node]].serves else { return }
        let number = calls.number(of: node, in: groupOf[node])
        world.setModelServer(plan.server(number), of: node)
        _ = world.request(.serve([plan.served(number)]), of: node)
    }

    /// Somebody calls; where the step names no group, one that serves nothing itself.
    mutating func call(_ model: String, _ deadline: Duration, from group: String?) {
        guard let node = group == nil ? drawCaller() : draw(from: group) else {
            return tally.skip()
        }
        calls.made += 1
        let request = CallRequest.simulated(model, number: calls.made, deadline: deadline)
        ask(.call(request), of: node, .call)
    }

    private mutating func drawCaller() -> Int? {
        for _ in 0..<20 {
            guard let node = draw(from: nil) else { return nil }
            if scenario.groups[groupOf[node]].serves == nil { return node }
        }
        let all = (0..<world.nodeCount).filter {
            isEligible($0, nil) && scenario.groups[groupOf[$0]].serves == nil
        }
        return all.isEmpty ? nil : all[chance.below(all.count)]
    }

    /// What the caller's node says of a call.
    mutating func told(_ event: CallEvent, _ id: RequestID, _ asked: inout RunRequest) {
        let took = world.now - asked.at
        switch event {
        case .accepted: break
        case .output(let bytes):
            if !asked.foundRight {
                asked.foundRight = true
                tally.firstToken.record(took)
            }
            _ = world.request(.consumed(id, bytes.count), of: asked.node)
        case .interrupted:
            tally.interruptions += 1
            let body = CallRequest.simulatedBody(id.number, tally.interruptions)
            _ = world.request(.resume(id, body: body), of: asked.node)
        case .finished:
            tally.call.succeeded(after: took)
            noteOutcome(asked, took, true)
        case .failed(let failure):
            tally.failed(.call, "\(failure)")
            noteOutcome(asked, took, false)
        }
    }
}

/// What a run keeps of its calls.
struct RunCalls {
    var made: UInt64 = 0
    /// By group, the nodes that serve, in the order of their first start.
    private var serving: [[Int]] = []

    init(groups: Int) { serving = Array(repeating: [], count: groups) }

    mutating func number(of node: Int, in group: Int) -> Int {
        if let number = serving[group].firstIndex(of: node) { return number }
        serving[group].append(node)
        return serving[group].count - 1
    }
}

extension CallRequest {
    /// A call whose body says nothing but its number, from which the answer's length follows.
    static func simulated(_ model: String, number: UInt64, deadline: Duration) -> CallRequest {
        var request = CallRequest(
            key: CallKey(high: 0, low: number), model: model, endpoint: .completions,
            isStreamed: true, body: simulatedBody(number))
        request.deadline = deadline
        return request
    }

    static func simulatedBody(_ numbers: UInt64...) -> [UInt8] {
        var body: [UInt8] = []
        for number in numbers { body.appendU64(number) }
        return body
    }
}
