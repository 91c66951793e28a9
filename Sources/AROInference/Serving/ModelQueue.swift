/// One model that we serve: its slots, who waits for one, and how long its calls take.

import AROPrimitives
import AROWire

struct ModelQueue {
    var model: ServedModel
    /// Calls that have a slot.
    var running: [(token: BackendToken, caller: PeerID)] = []
    /// Calls that wait, in the order of their arrival.
    var waiting: [(token: BackendToken, caller: PeerID)] = []
    /// When each caller had its last turn, while others wait.
    private var turns: [PeerID: UInt64] = [:]
    private var turn: UInt64 = 0
    /// How long a call keeps its slot, and how long it takes to its first event: moving averages.
    private(set) var service: Duration?
    private(set) var firstEvent: Duration?

    init(_ model: ServedModel) { self.model = model }

    var hasFreeSlot: Bool { running.count < model.slots }
    var isFull: Bool { !hasFreeSlot && waiting.count >= model.queueMax }

    var offer: ModelOffer {
        let slots = UInt16(clamping: model.slots)
        return ModelOffer(
            name: model.name, contextTokens: model.contextTokens, inputPrice: model.price.input,
            outputPrice: model.price.output,
            slotsFree: UInt16(clamping: max(0, Int(slots) - running.count)), slots: slots,
            queued: UInt16(clamping: waiting.count),
            firstTokenMilliseconds: UInt16(
                clamping: (firstEvent ?? .zero).nanoseconds / 1_000_000))
    }

    /// When the first event of a call may be expected that has `position` others before it. With all
    /// slots taken, one becomes free each service time ÷ slots.
    func wait(position: Int, unknown: Duration) -> Duration {
        let first = firstEvent ?? .zero
        guard position > 0 else { return first }
        return (service ?? unknown) * Int64(position) / Int64(max(1, model.slots)) + first
    }

    /// How many calls go before one that came now.
    var position: Int { hasFreeSlot ? 0 : waiting.count + 1 }

    mutating func served(for span: Duration) { service = Self.average(service, span) }
    mutating func firstEvent(after span: Duration) {
        firstEvent = Self.average(firstEvent, span)
    }

    /// Takes the next to run: of those who wait the first of the caller that has the fewest running,
    /// of equals of the one whose last turn is longest ago, so that one with many calls does not
    /// keep others from the model.
    mutating func takeNext() -> BackendToken? {
        guard hasFreeSlot, !waiting.isEmpty else { return nil }
        var best = 0
        var least = (Int.max, UInt64.max)
        for i in waiting.indices {
            let caller = waiting[i].caller
            let rank = (running.count { $0.caller == caller }, turns[caller] ?? 0)
            if rank < least { (best, least) = (i, rank) }
        }
        let next = waiting.remove(at: best)
        running.append(next)
        turn += 1
        if waiting.isEmpty { turns = [:] } else { turns[next.caller] = turn }
        return next.token
    }

    mutating func remove(_ token: BackendToken) {
        running.removeAll { $0.token == token }
        waiting.removeAll { $0.token == token }
    }

    /// An exponentially weighted average, a quarter of it the newest (a guess).
    private static func average(_ old: Duration?, _ new: Duration) -> Duration {
        guard let old else { return new }
        return old + (new - old) / 4
    }
}
