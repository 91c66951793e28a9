/// A bounded number of places, taken and freed from any thread.

import Synchronization

final class Places: Sendable {
    private let taken = Atomic<Int>(0)
    private let count: Int

    init(_ count: Int) { self.count = count }

    /// False where all are taken.
    func take() -> Bool {
        let before = taken.add(1, ordering: .relaxed).oldValue
        guard before < count else {
            taken.subtract(1, ordering: .relaxed)
            return false
        }
        return true
    }

    func free() { taken.subtract(1, ordering: .relaxed) }
}
