/// The entries of `faults:`, written out.

import AROPrimitives

extension Scenario {
    func faultText(_ fault: Fault) -> String {
        let what = kindText(fault.kind) + lastingText(fault)
        guard let again = fault.recurrence else {
            return "{at: \(Quantity.text(fault.at)), \(what)}"
        }
        return "{every: \(Self.lawText(again.every)), from: \(Quantity.text(fault.at)), "
            + "until: \(Quantity.text(again.until)), \(what)}"
    }

    private func lastingText(_ fault: Fault) -> String {
        if let law = fault.lasting { return ", for: \(Self.lawText(law))" }
        return fault.kind.span.map { ", for: \(Quantity.text($0))" } ?? ""
    }

    /// What happens, without when.
    func faultText(_ kind: Fault.Kind) -> String {
        kindText(kind) + (kind.span.map { ", for: \(Quantity.text($0))" } ?? "")
    }

    private func kindText(_ kind: Fault.Kind) -> String {
        switch kind {
        case .kill(let who): return "kill: {\(text(who))}"
        case .stop(let who): return "stop: {\(text(who))}"
        case .move(let who): return "move: {\(text(who))}"
        case .restart(let who, _): return "restart: {\(text(who))}"
        case .pause(let who, _): return "pause: {\(text(who))}"
        case .isolate(let who, _): return "isolate: {\(text(who))}"
        case .slow(let who, let delay, let every, _):
            let rhythm = "delay: \(Quantity.text(delay)), every: \(Quantity.text(every))"
            return "slow: {\(text(who)), \(rhythm)}"
        case .stall(let who, let times, let apart, _):
            let rhythm = "lasting: \(text(times)), apart: \(text(apart))"
            return "stall: {\(text(who)), \(rhythm)}"
        case .partition(let shares, _):
            let list = shares.map { Quantity.text($0) }.joined(separator: ", ")
            return "partition: {shares: [\(list)]}"
        case .partitionGroup(let group, _): return "partition: {of: \(Self.quoted(group))}"
        case .loss(let loss, _): return "loss: \(lossText(loss))"
        case .partitionBy, .clogLinks, .clog, .swizzleClog, .skew, .disk:
            return moreFaultText(kind)
        }
    }

    private func text(_ times: Doublings) -> String {
        "[\(Quantity.text(times.first)), \(Quantity.text(times.last))]"
    }

    func text(_ members: Members) -> String {
        let size =
            switch members.size {
            case .share(let share): "share: \(Quantity.text(share))"
            case .count(let count): "count: \(count)"
            }
        return "\(size), of: \(Self.quoted(members.of ?? "random"))"
    }
}
