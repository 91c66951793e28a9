/// Which changes of an offer are worth a packet to everybody at once. The author decides by it
/// whether to announce, and those who receive a statement whether to push it on: both by the same
/// rule, so that what is only renewed spreads by anti-entropy, at a fraction of the cost.

import AROPrimitives
import AROWire

extension Offer {
    /// Whether a caller would decide otherwise by this offer than by `old`.
    func differsMaterially(from old: Offer) -> Bool {
        if addresses != old.addresses { return true }
        // A newcomer learns of its translation and its coordinate within a second of its first
        // statement, and each would go round the network: they go along with a renewal. But who
        // offers models is chosen by them from the first call on.
        let isChosen = !models.isEmpty
        if nat != old.nat, old.nat != .unknown || isChosen { return true }
        if servesDHT != old.servesDHT || software != old.software { return true }
        // Where a coordinate drifts to, renewals tell soon enough.
        if (coordinate == nil) != (old.coordinate == nil), old.coordinate != nil || isChosen {
            return true
        }
        return storage.differsMaterially(from: old.storage)
            || bandwidth.differsMaterially(from: old.bandwidth)
            || Self.differ(models, old.models)
    }

    /// Whether there is something to tell before the next renewal, if not at once: anything but a
    /// coordinate that is where it was said to be.
    func differsNoticeably(from old: Offer) -> Bool {
        guard isMovedAtMost(from: old), let coordinate, let told = old.coordinate else {
            return self != old
        }
        return coordinate.differsNoticeably(from: told)
    }

    /// Whether both have a coordinate, and all else is the same.
    func isMovedAtMost(from old: Offer) -> Bool {
        guard let told = old.coordinate, coordinate != nil else { return false }
        var same = self
        same.coordinate = told
        return same == old
    }

    private static func differ(_ new: [ModelOffer], _ old: [ModelOffer]) -> Bool {
        guard new.count == old.count else { return true }
        for (new, old) in zip(new, old) where new.differsMaterially(from: old) { return true }
        return false
    }
}

extension Coordinate {
    /// Whether it has become half as sure again, or has moved out of the room that its owner's error
    /// left it. Guesses: predictions would come out no better by less.
    func differsNoticeably(from old: Coordinate) -> Bool {
        if error < old.error * 2 / 3 { return true }
        let moved = (components - old.components).length + (height - old.height).magnitude
        return moved > min(old.error, 1) * (components.length + height)
    }
}

extension StorageOffer {
    /// A tenth of what is offered, or the last free byte. A guess.
    fileprivate func differsMaterially(from old: StorageOffer) -> Bool {
        if offeredBytes != old.offeredBytes { return true }
        if (freeBytes == 0) != (old.freeBytes == 0) { return true }
        let moved = max(freeBytes, old.freeBytes) - min(freeBytes, old.freeBytes)
        return moved > offeredBytes / 10
    }
}

extension MeasuredBandwidth {
    fileprivate func differsMaterially(from old: MeasuredBandwidth) -> Bool {
        Self.isFactor(up, old.up) || Self.isFactor(down, old.down)
    }

    /// More than half as much again, or less than two thirds. A guess: choices between providers
    /// hang on factors.
    private static func isFactor(_ a: UInt64, _ b: UInt64) -> Bool {
        let (small, large) = (min(a, b), max(a, b))
        return large - small > small / 2
    }
}

extension ModelOffer {
    /// Another model or price, a slot where there was none, the last slot gone, a queue that doubled
    /// or halved, or a model that became half as fast again or slow. A guess at what makes callers go elsewhere.
    fileprivate func differsMaterially(from old: ModelOffer) -> Bool {
        if name != old.name || contextTokens != old.contextTokens { return true }
        if inputPrice != old.inputPrice || outputPrice != old.outputPrice { return true }
        if slots != old.slots || (slotsFree == 0) != (old.slotsFree == 0) { return true }
        let (quick, slow) = (
            Int(min(firstTokenMilliseconds, old.firstTokenMilliseconds)),
            Int(max(firstTokenMilliseconds, old.firstTokenMilliseconds))
        )
        if slow - quick >= 50, slow > quick * 3 / 2 { return true }
        let (short, long) = (Int(min(queued, old.queued)), Int(max(queued, old.queued)))
        return long - short >= 4 && long >= 2 * short
    }
}
