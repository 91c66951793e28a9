/// One line on a terminal that shows how far a job is: bytes, rate and time left.

import ARO
import Foundation

struct ProgressLine {
    /// The rate is that of about the last five seconds. A guess: steady to the eye, and honest
    /// about a provider that stalls.
    private static let memory = 5.0

    private var phase: ProgressReport.Phase?
    private var last: (time: Double, done: UInt64)?
    private var rate = 0.0
    private var shown = 0
    private let isOn: Bool

    init(isOn: Bool = Terminal.hasProgress) { self.isOn = isOn }

    mutating func show(_ report: ProgressReport) {
        guard isOn else { return }
        draw(text(of: report, at: ProcessInfo.processInfo.systemUptime))
    }

    /// Takes the line away, so that what follows stands alone.
    mutating func clear() {
        guard isOn, shown > 0 else { return }
        draw("")
        Terminal.error("\r")
        shown = 0
    }

    /// The line's words, `time` seconds after an origin of the caller's.
    mutating func text(of report: ProgressReport, at time: Double) -> String {
        measure(report, at: time)
        var parts = ["\(report.phase.rawValue)  \(Format.bytes(report.done))"]
        if let total = report.total {
            parts[0] += " of \(Format.bytes(total))"
            let percent = total == 0 ? 100 : min(100, Double(report.done) / Double(total) * 100)
            parts.append("\(Int(percent)) %")
        }
        if rate > 0 { parts.append(Format.rate(rate)) }
        if let total = report.total, total > report.done, rate > 0 {
            parts.append("\(Format.time(Double(total - report.done) / rate)) left")
        }
        if let providers = report.providers {
            parts.append(providers == 1 ? "1 peer" : "\(providers) peers")
        }
        return parts.joined(separator: "  ")
    }

    /// An exponentially weighted mean, whose weight falls with the time between reports.
    private mutating func measure(_ report: ProgressReport, at time: Double) {
        if phase != report.phase { (phase, last, rate) = (report.phase, nil, 0) }
        guard let last else {
            self.last = (time, report.done)
            return
        }
        let elapsed = time - last.time
        guard elapsed >= 0.05 else { return }
        let now = Double(report.done >= last.done ? report.done - last.done : 0) / elapsed
        let weight = rate == 0 ? 1 : 1 - exp(-elapsed / Self.memory)
        rate += (now - rate) * weight
        self.last = (time, report.done)
    }

    private mutating func draw(_ text: String) {
        let blank = String(repeating: " ", count: max(0, shown - text.count))
        Terminal.error("\r\(text)\(blank)")
        shown = text.count
    }
}
