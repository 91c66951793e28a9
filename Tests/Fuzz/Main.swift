/// The fuzz executable, in two forms (Docs/Fuzzing.md): by itself it replays inputs, or makes them
/// from a seed; built with the compiler's fuzzer it is driven by libFuzzer, which sees what code each
/// input reaches.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

#if FUZZING

    /// Chosen once: the environment does not change.
    private let target: Target = {
        let name = getenv("ARO_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = Target(rawValue: name) else {
            fatalError("set ARO_FUZZ_TARGET to one of \(Target.allCases.map(\.rawValue))")
        }
        return target
    }()

    @_silgen_name("LLVMFuzzerRunDriver")
    func runDriver(
        _ count: UnsafeMutablePointer<Int32>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ entry: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Int32

    @_cdecl("LLVMFuzzerTestOneInput")
    public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
        target.run([UInt8](UnsafeBufferPointer(start: start, count: count)))
        return 0
    }

    /// SwiftPM renames `main` to this in executables of a package with tests.
    @_cdecl("AROFuzz_main")
    public func fuzzMain(
        _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) -> Int32 {
        var count = count
        var arguments = arguments
        return runDriver(&count, &arguments, testOneInput)
    }

#else

    @main
    struct AROFuzz {
        private static let usage = """
            usage: AROFuzz [TARGET…] [--runs N] [--seed S] [--write-seeds DIRECTORY] [FILE…]

            With files: replays each of them. Without: N inputs (1,000 unless told) of each target,
            made from the seed (1 unless told). Without a target: all of them.
            Targets: \(Target.allCases.map(\.rawValue).joined(separator: " "))
            """

        private var targets: [Target] = []
        private var runs = 1_000
        private var seed: UInt64 = 1
        private var files: [String] = []
        private var directory: String?

        static func main() {
            var command = AROFuzz()
            guard command.read(Array(CommandLine.arguments.dropFirst())) else {
                print(usage)
                exit(64)
            }
            command.run()
        }

        private mutating func read(_ arguments: [String]) -> Bool {
            var rest = arguments[...]
            while let word = rest.popFirst() {
                switch word {
                case "--runs":
                    guard let count = rest.popFirst().flatMap({ Int($0) }), count >= 0 else {
                        return false
                    }
                    runs = count
                case "--seed":
                    guard let number = rest.popFirst().flatMap({ UInt64($0) }) else { return false }
                    seed = number
                case "--write-seeds":
                    guard let path = rest.popFirst() else { return false }
                    directory = path
                default:
                    if let target = Target(rawValue: word) {
                        targets.append(target)
                    } else if word.hasPrefix("-") {
                        return false
                    } else {
                        files.append(word)
                    }
                }
            }
            if targets.isEmpty { targets = Target.allCases }
            return true
        }

        private func run() {
            for target in targets {
                if let directory {
                    for (i, seed) in target.seeds.enumerated() {
                        write(seed, to: "\(directory)/\(target.rawValue)-\(i)")
                    }
                } else if files.isEmpty {
                    print("\(target.rawValue): \(runs) inputs from seed \(seed)")
                    var mutator = Mutator(target, seed: seed)
                    for _ in 0..<runs { target.run(mutator.next()) }
                } else {
                    for file in files {
                        print("\(target.rawValue): \(file)")
                        target.run(bytes(of: file))
                    }
                }
            }
        }

        private func bytes(of path: String) -> [UInt8] {
            guard let file = fopen(path, "rb") else { fatalError("cannot read \(path)") }
            defer { fclose(file) }
            var all: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 65_536)
            while case let count = fread(&part, 1, part.count, file), count > 0 {
                all += part[..<count]
            }
            return all
        }

        private func write(_ bytes: [UInt8], to path: String) {
            guard let file = fopen(path, "wb") else { fatalError("cannot write \(path)") }
            defer { fclose(file) }
            fwrite(bytes, 1, bytes.count, file)
        }
    }

#endif
