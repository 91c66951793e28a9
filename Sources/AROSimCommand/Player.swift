/// Plays one scenario in this process, with a progress line, until it ends or somebody presses
/// Control-C.

import AROPrimitives
import AROSimulation
import ArgumentParser
import Foundation

enum Player {
    static func play(
        _ scenario: Scenario, until limit: AROPrimitives.Duration? = nil, log: EventLog? = nil
    ) -> PlayedScenario {
        Interruption.arm()
        let clock = ProgressLine()
        defer { clock.clear() }
        return scenario.play(clock: { clock.seconds }, until: limit, log: log) {
            clock.show($0) && !Interruption.wasAsked
        }
    }
}

extension PlayedScenario {
    var filesWithManifest: [RunFile] {
        let started = Date(timeIntervalSinceNow: -report.wallTime)
        let manifest = Manifest(
            report, program: .current, started: ISO8601DateFormatter().string(from: started))
        return files + [manifest.file]
    }
}

/// Control-C asks a run to end with what it has; the second time it ends the process.
enum Interruption {
    nonisolated(unsafe) private static var flag: sig_atomic_t = 0

    static var wasAsked: Bool { flag != 0 }

    static func arm() {
        flag = 0
        signal(SIGINT) { _ in
            Interruption.flag = 1
            signal(SIGINT, SIG_DFL)
        }
        // Whoever started this process may have had it blocked, and a mask is inherited.
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    }
}

extension Manifest.Program {
    /// This program: from where it lies, its bytes, and the Git repository around it.
    static let current: Manifest.Program = {
        let path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
        let bytes = (try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
        #if DEBUG
            let build = "debug"
        #else
            let build = "release"
        #endif
        return Manifest.Program(
            commit: commit(around: URL(fileURLWithPath: path)), build: build,
            sha256: bytes.map { Manifest.sha256($0) }, system: system,
            processors: ProcessInfo.processInfo.processorCount)
    }()

    private static var system: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "unknown" }
        func text<T>(_ field: T) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.machine))"
    }

    /// What the checkout is at whose build folder the program lies in; an installed program has
    /// none.
    private static func commit(around program: URL) -> String? {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/git")
        git.arguments = [
            "-C", program.deletingLastPathComponent().path, "describe", "--always", "--dirty",
            "--abbrev=12",
        ]
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        guard program.path.contains("/.build"), (try? git.run()) != nil else { return nil }
        let text = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { return nil }
        return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// A virtual time on the command line.
struct VirtualTime {
    var span: AROPrimitives.Duration
}

func virtualTime(_ text: String) throws -> VirtualTime {
    guard let span = Scenario.duration(text) else {
        throw ValidationError("'\(text)' is no time; write it with a unit, as 90s or 10m")
    }
    return VirtualTime(span: span)
}
