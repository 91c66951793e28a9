/// Storing one record at the k nearest peers and reading it back: what "held by n of k" stands on.
///
/// Facts in, decisions out, like ``Lookup``. A peer that fails, refuses or does not give the record
/// back is replaced by the next nearest one.

import AROPrimitives
import AROWire

struct Placement: Sendable {
    enum Step: Hashable, Sendable { case store(PeerHandle), readBack(PeerHandle), wait, finished }

    private enum State: UInt8, Sendable {
        case fresh, storing, stored, reading, held, failed
        /// The peer has a newer record: it keeps its place, as nobody farther should hold an old
        /// one.
        case superseded
    }

    private struct Target: Sendable {
        var handle: PeerHandle
        var state: State
    }

    let record: KademliaStore.Record
    /// How many peers should hold the record: k, or as many as there are.
    let wanted: Int
    private var targets: [Target]

    /// - Parameters:
    ///   - nearest: the k nearest peers that answered, or as many as there are.
    ///   - spares: who replaces those that fail, nearest first.
    init(_ record: KademliaStore.Record, at nearest: [PeerHandle], spares: [PeerHandle]) {
        self.record = record
        wanted = nearest.count
        targets = (nearest + spares).map { Target(handle: $0, state: .fresh) }
    }

    /// Peers that gave the record back.
    var held: Int { targets.reduce(0) { $0 + ($1.state == .held ? 1 : 0) } }

    mutating func next() -> Step {
        if let i = targets.firstIndex(where: { $0.state == .stored }) {
            targets[i].state = .reading
            return .readBack(targets[i].handle)
        }
        var active = 0
        for target in targets where target.state != .failed && target.state != .fresh {
            active += 1
        }
        if active < wanted, let i = targets.firstIndex(where: { $0.state == .fresh }) {
            targets[i].state = .storing
            return .store(targets[i].handle)
        }
        let waits = targets.contains { $0.state == .storing || $0.state == .reading }
        return waits ? .wait : .finished
    }

    mutating func stored(_ handle: PeerHandle, _ status: KademliaStored.Status) {
        switch status {
        case .held: change(handle, from: .storing, to: .stored)
        case .superseded: change(handle, from: .storing, to: .superseded)
        case .invalid, .full, .busy, .notServing: failed(handle)
        }
    }

    mutating func readBack(_ handle: PeerHandle, isHeld: Bool) {
        change(handle, from: .reading, to: isHeld ? .held : .failed)
    }

    mutating func failed(_ handle: PeerHandle) {
        change(handle, from: .storing, to: .failed)
        change(handle, from: .reading, to: .failed)
    }

    private mutating func change(_ handle: PeerHandle, from old: State, to new: State) {
        guard let i = targets.firstIndex(where: { $0.handle == handle && $0.state == old }) else {
            return
        }
        targets[i].state = new
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for target in targets { body(target.handle) }
    }
}
