/// One line on a terminal that says how far a run is; silent elsewhere.

import AROSimulation
import Foundation

final class ProgressLine {
    private let start = ProcessInfo.processInfo.systemUptime
    private let isShown = isatty(STDERR_FILENO) == 1
    private var lastShown = 0.0

    var seconds: Double { ProcessInfo.processInfo.systemUptime - start }

    /// - Returns: true, that the run may go on.
    func show(_ progress: RunProgress) -> Bool {
        guard isShown, seconds - lastShown > 0.2 else { return true }
        lastShown = seconds
        let share = progress.now.seconds / max(progress.total.seconds, 1e-9)
        let left = seconds / max(share, 1e-9) - seconds
        let rate = Double(progress.events) / max(seconds, 1e-9)
        let text = String(
            format: "%3.0f %%  %.0f of %.0f virtual s  %.2f M events  %.2f M/s  %.0f s left",
            share * 100, progress.now.seconds, progress.total.seconds,
            Double(progress.events) / 1e6, rate / 1e6, left)
        write("\r\u{1b}[K" + text)
        return true
    }

    func show(done: Int, of all: Int, what: String) {
        let left = seconds / Double(max(1, done)) * Double(all - done)
        show(String(format: "%d of %d %@  %.0f s left", done, all, what as NSString, left))
    }

    /// Says something else than how far a run is.
    func show(_ text: String) {
        guard isShown else { return }
        write("\r\u{1b}[K" + text)
    }

    func clear() { if isShown { write("\r\u{1b}[K") } }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
