/// The entries of `faults:`, written out.

import AROPrimitives

extension Scenario {
    func faultText(_ fault: Fault) -> String {
        "{at: \(Quantity.text(fault.at)), \(faultText(fault.kind))}"
    }

    private func faultText(_ kind: Fault.Kind) -> String {
        func lasts(_ span: Duration) -> String { ", for: \(Quantity.text(span))" }
        switch kind {
        case .kill(let who): return "kill: {\(text(who))}"
        case .stop(let who): return "stop: {\(text(who))}"
        case .move(let who): return "move: {\(text(who))}"
        case .restart(let who, let span): return "restart: {\(text(who))}" + lasts(span)
        case .pause(let who, let span): return "pause: {\(text(who))}" + lasts(span)
        case .isolate(let who, let span): return "isolate: {\(text(who))}" + lasts(span)
        case .slow(let who, let delay, let every, let span):
            let rhythm = "delay: \(Quantity.text(delay)), every: \(Quantity.text(every))"
            return "slow: {\(text(who)), \(rhythm)}" + lasts(span)
        case .partition(let shares, let span):
            let list = shares.map { Quantity.text($0) }.joined(separator: ", ")
            return "partition: {shares: [\(list)]}" + lasts(span)
        case .partitionGroup(let group, let span):
            return "partition: {of: \(Self.quoted(group))}" + lasts(span)
        case .loss(let loss, let span): return "loss: \(lossText(loss))" + lasts(span)
        }
    }

    private func text(_ members: Members) -> String {
        let size =
            switch members.size {
            case .share(let share): "share: \(Quantity.text(share))"
            case .count(let count): "count: \(count)"
            }
        return "\(size), of: \(Self.quoted(members.of ?? "random"))"
    }
}
