/// What a run of these tests is about: which `aro`, how much of it, from which seed.

import Foundation

enum Trial {
    /// `ARO_HEAVY=1` asks for the full sizes and counts; they take many minutes.
    static let isHeavy = variable("ARO_HEAVY") == "1"

    /// The `aro` that was built together with these tests and lies beside them; `ARO_EXECUTABLE`
    /// names another one, for instance a release build for the heavy form.
    static let executable: String = {
        if let path = variable("ARO_EXECUTABLE") { return path }
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return URL(fileURLWithPath: bundle ?? CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("aro").path
    }()

    /// Words before a program's own that take away root's power to pass over file modes, which tests
    /// in a container often run with; nothing for everybody else.
    static var powerless: [String] {
        geteuid() == 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : []
    }

    /// Words before a program's own that give it a disk of its own at `path`: a tmpfs that nobody
    /// else sees, and that ends with it.
    static func onSmallDisk(_ path: String, _ mebibytes: Int) -> [String] {
        separate + [
            "sh", "-c",
            """
            mkdir -p -m 700 "$0" && mount -t tmpfs -o size=\(mebibytes)m none "$0" && exec "$@"
            """, path,
        ]
    }

    private static var separate: [String] { ["unshare", geteuid() == 0 ? "-m" : "-rm"] }

    /// Not every container lets one mount something.
    static let hasSmallDisks: Bool = {
        let trial = Process()
        trial.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        trial.arguments = separate + ["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
        trial.standardError = FileHandle.nullDevice
        guard (try? trial.run()) != nil else { return false }
        trial.waitUntilExit()
        return trial.terminationStatus == 0
    }()

    /// The seed of this run, which `ARO_SEED` repeats; printed by whoever draws from it.
    static let seed: UInt64 =
        variable("ARO_SEED").flatMap { UInt64($0) } ?? .random(in: 0...999_999)

    static func chance(_ purpose: String) -> Chance {
        tell("\(purpose): ARO_SEED=\(seed)")
        return Chance(seed: seed)
    }

    /// A line for whoever reads the log of a run: a seed, or a figure that no test judges.
    static func tell(_ words: String) {
        print("· \(words)")
        fflush(nil)
    }

    static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func bytes(_ count: Int) -> Data {
        var words = [UInt64](repeating: 0, count: (count + 7) / 8)
        for i in words.indices { words[i] = next() }
        return words.withUnsafeBytes { Data($0.prefix(count)) }
    }
}
