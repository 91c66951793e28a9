/// The disk as the loop sees it: requests go out, replies come back in any order, from any thread.

import AROContent

package protocol DiskServicing: Sendable {
    /// Called on the loop's thread and must not block it. `reply` is called once for a request that
    /// has an answer, from any thread.
    func perform(_ request: DiskRequest, reply: @escaping @Sendable (DiskReply) -> Void)

    /// Called once, after the last request: returns when everything acknowledged is on disk.
    func close() async
}
