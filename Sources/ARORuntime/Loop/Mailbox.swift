/// What other threads have for the loop: requests of the local user, answers of the disk and of model
/// servers. Many that arrive together are one wake-up of the loop and one drain of the outbox.

import ARONode
import AROContent
import AROInference
import NIOConcurrencyHelpers
import NIOCore

package typealias ReplySink = @Sendable (Reply) -> Void

struct Mailbox: Sendable {
    enum Item: Sendable {
        case request(Request, RequestID, ReplySink)
        case cancel(RequestID)
        case disk(DiskReply)
        case backend(BackendReply)
        case shutdown(EventLoopPromise<Void>)
    }

    private struct State {
        var items: [Item] = []
        var nextRequest: UInt64 = 1
    }

    private let state = NIOLockedValueBox(State())

    /// Whether the loop must be woken: it takes all items at once, so only the first of a row needs
    /// to.
    func put(_ item: Item) -> Bool {
        state.withLockedValue {
            $0.items.append(item)
            return $0.items.count == 1
        }
    }

    func takeAll() -> [Item] {
        state.withLockedValue { state in
            defer { state.items = [] }
            return state.items
        }
    }

    func makeRequestID() -> RequestID {
        state.withLockedValue { state in
            defer { state.nextRequest += 1 }
            return RequestID(number: state.nextRequest)
        }
    }
}
