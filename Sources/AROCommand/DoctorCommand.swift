/// `aro doctor`: why the node is slow or unreachable, and what to do.

import ARO
import ArgumentParser
import Foundation

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what makes the node slow or unreachable, and say what to do.",
        discussion: """
            Looks at reachability, sessions, the path to each peer, the records of what the node \
            offers, the disk, the clock and the model servers. Ends with 1 where something is broken.
            """)

    @OptionGroup var node: NodeOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        var worst = Finding.Grade.good
        try node.ask(.doctor) { message in
            guard case .event(.finding(let finding)) = message else { return }
            worst = max(worst, finding.grade)
            if json.isOn { return try Terminal.json(finding) }
            let subject = finding.subject.padding(toLength: 13, withPad: " ", startingAt: 0)
            try Terminal.line("\(finding.grade.sign) \(subject) \(finding.finding)")
            if let advice = finding.advice, finding.grade > .good {
                try Terminal.line("  \(String(repeating: " ", count: 14))→ \(advice)")
            }
        }
        guard worst == .failure else { return }
        throw CommandFailure("something is broken; see the lines marked ✗")
    }
}

extension Finding.Grade {
    fileprivate var sign: String {
        switch self {
        case .good: "✓"
        case .note: "·"
        case .warning: "!"
        case .failure: "✗"
        }
    }
}
