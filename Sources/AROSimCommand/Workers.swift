/// Worker processes: each plays one scenario after the other and answers over a pipe. One that dies is
/// an answer too, and another takes its place.

import AROSimulation
import Foundation

/// One process that runs `aro-sim work`.
private final class Worker {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let complaints: URL
    private var buffer = Data()

    init() throws {
        let name = "aro-sim-\(UUID().uuidString)"
        complaints = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        _ = FileManager.default.createFile(atPath: complaints.path, contents: nil)
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = ["work"]
        // A backtrace takes seconds, and tells a hunt nothing.
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        process.standardInput = input
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: complaints)
        try process.run()
        try output.fileHandleForWriting.close()
        try input.fileHandleForReading.close()
    }

    deinit { try? FileManager.default.removeItem(at: complaints) }

    private static let program =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        ?? CommandLine.arguments[0]

    func answer(_ task: WorkTask) -> WorkAnswer? {
        guard var line = try? JSONEncoder().encode(task) else { return nil }
        line.append(10)
        guard (try? input.fileHandleForWriting.write(contentsOf: line)) != nil,
            let answer = nextLine()
        else { return nil }
        return try? JSONDecoder().decode(WorkAnswer.self, from: answer)
    }

    private func nextLine() -> Data? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = Data(buffer[..<end])
                buffer = Data(buffer[(end + 1)...])
                return line
            }
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { return nil }
            buffer.append(more)
        }
    }

    /// Its last words, once it is gone.
    func lastWords() -> String {
        process.waitUntilExit()
        let text = (try? String(contentsOf: complaints, encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").map(String.init)
        let fatal = lines.last { $0.contains("Fatal error") || $0.contains("aro-sim: ") }
        return fatal ?? "signal \(process.terminationStatus)"
    }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    func kill() {
        process.terminate()
        process.waitUntilExit()
    }
}

/// So many workers side by side.
final class Workers: @unchecked Sendable {
    private let jobs: Int
    private let lock = NSLock()
    private var idle: [Worker] = []

    init(jobs: Int) {
        self.jobs = max(1, jobs)
        signal(SIGPIPE, SIG_IGN)
        Interruption.arm()
    }

    deinit { for worker in idle { worker.end() } }

    private func locked<R>(_ body: () -> R) -> R {
        lock.lock()
        defer { lock.unlock() }
        return body()
    }

    /// Plays tasks until there are none, or until `heard` wants no more. `next` and `heard` are
    /// called by one thread at a time.
    func play(
        _ next: @escaping () -> WorkTask?, heard: @escaping (WorkTask, WorkAnswer) -> Bool
    ) {
        nonisolated(unsafe) let next = next
        nonisolated(unsafe) let heard = heard
        nonisolated(unsafe) var goesOn = true
        let done = DispatchGroup()
        for _ in 0..<jobs {
            done.enter()
            Thread.detachNewThread {
                while true {
                    let task = self.locked { goesOn && !Interruption.wasAsked ? next() : nil }
                    guard let task else { break }
                    let answer = self.answer(task)
                    self.locked {
                        // A worker that the terminal interrupted has found nothing.
                        if Interruption.wasAsked { goesOn = false }
                        if goesOn, !heard(task, answer) { goesOn = false }
                    }
                }
                done.leave()
            }
        }
        done.wait()
    }

    /// The answers to some tasks, in their order; fewer where somebody pressed Control-C.
    func answers(to tasks: [WorkTask]) -> [WorkAnswer] {
        var left = tasks[...]
        var answers: [Int: WorkAnswer] = [:]
        play({ left.popFirst() }) { task, answer in
            answers[task.number] = answer
            return true
        }
        return tasks.compactMap { answers[$0.number] }
    }

    private func answer(_ task: WorkTask) -> WorkAnswer {
        do {
            let worker = try locked { idle.popLast() } ?? Worker()
            if let answer = worker.answer(task) {
                locked { idle.append(worker) }
                return answer
            }
            return WorkAnswer(task, crash: worker.lastWords())
        } catch {
            return WorkAnswer(task, complaint: "cannot start a worker: \(error)")
        }
    }
}

extension Workers {
    /// As many as there are processors.
    static var defaultJobs: Int { ProcessInfo.processInfo.activeProcessorCount }
}
