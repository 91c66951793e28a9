/// The first of several threads' failures.

import Synchronization

final class FirstFailure: Sendable {
    private let failure = Mutex<StoreFailure?>(nil)

    func note(_ new: StoreFailure) { failure.withLock { $0 = $0 ?? new } }

    var value: StoreFailure? { failure.withLock { $0 } }
}
