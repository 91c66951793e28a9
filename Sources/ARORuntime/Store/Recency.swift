/// When blocks were last used, and since when somebody needs them.
///
/// A stamp is the wall clock in milliseconds, made monotonic, so that a clock set back does not turn
/// new blocks into the oldest. Reads are noted in memory and written with the next commit: losing
/// them with the power costs a worse choice of what to evict, nothing else.

import AROWire
import Foundation
import Synchronization

/// While it lives, blocks that are written or read from its beginning on are not evicted. Held by
/// whoever builds, fetches or exports a tree that no pin keeps yet.
public final class StoreUse: Sendable {
    private let recency: Recency
    private let key: UInt64

    init(_ recency: Recency) {
        self.recency = recency
        key = recency.begin()
    }

    deinit { recency.end(key) }
}

final class Recency: Sendable {
    private struct State {
        var stamp: Int64
        var touched: [CID: Int64] = [:]
        var uses: [UInt64: Int64] = [:]
        var nextUse: UInt64 = 0
    }

    /// Reads that are noted before they must be written down. A guess: 0.4 MiB of memory.
    static let touchedMax = 4_096

    private let state: Mutex<State>

    init(stamp: Int64) { state = Mutex(State(stamp: stamp)) }

    private static func advance(_ state: inout State) -> Int64 {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        state.stamp = max(state.stamp + 1, now)
        return state.stamp
    }

    func stamp() -> Int64 { state.withLock { Self.advance(&$0) } }

    /// Returns whether so many are noted that they should be written down.
    func touch(_ cid: CID) -> Bool {
        state.withLock { state in
            guard state.touched.count < Self.touchedMax || state.touched[cid] != nil else {
                return true
            }
            state.touched[cid] = Self.advance(&state)
            return state.touched.count == Self.touchedMax
        }
    }

    func takeTouched() -> [CID: Int64] {
        state.withLock { state in
            defer { state.touched = [:] }
            return state.touched
        }
    }

    fileprivate func begin() -> UInt64 {
        state.withLock { state in
            state.nextUse += 1
            state.uses[state.nextUse] = Self.advance(&state)
            return state.nextUse
        }
    }

    fileprivate func end(_ key: UInt64) {
        state.withLock { _ = $0.uses.removeValue(forKey: key) }
    }

    /// Blocks used since then are needed by somebody.
    var floor: Int64 { state.withLock { $0.uses.values.min() ?? .max } }
}
