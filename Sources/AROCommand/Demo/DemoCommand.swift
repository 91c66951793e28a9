/// `aro demo`: what the network is for, in one command, with real processes, real UDP and a real
/// file. Every claim that it prints is checked; one that does not hold ends it with exit code 1.

import ARO
import ArgumentParser
import Foundation

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "See the network work: five nodes, one file, and a provider that dies.",
        discussion: """
            Starts five nodes on this machine, joined through one address; publishes a file on one, \
            fetches it on others, kills a provider in the middle of a transfer, and cleans up.
            """)

    @Argument(help: "The file to publish; without it one is made of random bytes.")
    var file: String?

    @Option(help: ArgumentHelp("The size of the made file.", valueName: "size"))
    var size = ByteCount(bytes: 64 << 20)

    @Flag(help: "Leave the nodes' directories and logs where they are.")
    var keep = false

    func validate() throws {
        guard size.bytes >= 16 << 20 else {
            throw ValidationError("--size is 16MiB at least, or no transfer has a middle")
        }
    }

    func run() throws {
        let directory = try makeDirectory()
        if !keep { Interruption.add(directory) }
        let story = Story()
        do {
            try DemoRun(directory: directory, story: story).run(file: file, size: size)
        } catch {
            story.tell("It did not hold: \(error)")
            if keep { story.tell("The nodes' logs are in \(directory).") }
            tidyUp(directory)
            throw CommandFailure("the demo failed\(keep ? "" : "; --keep leaves the logs")")
        }
        tidyUp(directory)
        let files = keep ? "their files are in \(directory)" : "their files too"
        story.tell("Everything held, in \(story.elapsed) s. The nodes are gone, \(files).")
    }

    private func tidyUp(_ directory: String) {
        if !keep { try? FileManager.default.removeItem(atPath: directory) }
    }

    private func makeDirectory() throws -> String {
        let parent = StandardPaths.variable("TMPDIR") ?? "/tmp"
        var template = Array("\(parent)/aro-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SystemFailure("make a directory in \(parent)")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Tells what happens, with the seconds since the beginning.
struct Story {
    private let start = ProcessInfo.processInfo.systemUptime

    var seconds: Double { ProcessInfo.processInfo.systemUptime - start }
    var elapsed: String { Self.tenths(seconds) }

    func tell(_ words: String) {
        let time = String(repeating: " ", count: max(0, 5 - elapsed.count)) + elapsed
        try? Terminal.line("\(time) s  \(words)")
    }

    static func tenths(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
