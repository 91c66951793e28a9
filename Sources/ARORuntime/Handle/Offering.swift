/// Keeps what the node offers up to date: storage as it fills, the throughput that was seen, the models
/// that the program announces. Whether a change is worth a packet the node decides.

import ARONode
import AROPrimitives
import AROWire
import Synchronization

final class Offering: Sendable {
    private let loop: NodeLoop<Node>
    private let content: any ContentServicing
    private let current: Mutex<Offer>

    /// How often throughput is sampled: long enough for a burst not to count as bandwidth, and an
    /// idle node wakes for it five times a minute.
    private static let period = 12
    /// Less than this is said by gossip and other small talk, and tells nothing of what the line could
    /// carry. A guess: a hundred idle nodes' worth.
    private static let floor: UInt64 = 64 << 10
    /// Samples after which what was once seen counts half.
    private static let memory = 300

    init(_ offer: Offer, loop: NodeLoop<Node>, content: any ContentServicing) {
        current = Mutex(offer)
        (self.loop, self.content) = (loop, content)
    }

    func announce(models: [ModelOffer]) {
        tell { $0.models = models }
    }

    func run() async {
        var last: NodeStatus?
        var samples = 0
        while !Task.isCancelled {
            if let usage = try? await content.usage() {
                let quota = content.quota
                let free = quota - min(usage.bytes, quota)
                tell { $0.storage = StorageOffer(offeredBytes: quota, freeBytes: free) }
            }
            if case .status(let status)? = await loop.answer(to: .status) {
                samples += 1
                if let last { saw(status, since: last, forgets: samples % Self.memory == 0) }
                last = status
            }
            try? await Task.sleep(nanoseconds: UInt64(Self.period) * 1_000_000_000)
        }
    }

    private func saw(_ status: NodeStatus, since last: NodeStatus, forgets: Bool) {
        let up = (status.bytesOut - last.bytesOut) / UInt64(Self.period)
        let down = (status.bytesIn - last.bytesIn) / UInt64(Self.period)
        tell { offer in
            let known = offer.bandwidth
            let share: UInt64 = forgets ? 2 : 1
            offer.bandwidth = MeasuredBandwidth(
                up: max(known.up / share, up >= Self.floor ? up : 0),
                down: max(known.down / share, down >= Self.floor ? down : 0))
        }
    }

    /// Nothing is said where nothing changed.
    private func tell(_ change: (inout Offer) -> Void) {
        // Submitted under the lock, so that the last change is the last one to arrive.
        current.withLock { offer in
            let before = offer
            change(&offer)
            if offer != before { _ = loop.submit(.offer(offer)) { _ in } }
        }
    }
}
