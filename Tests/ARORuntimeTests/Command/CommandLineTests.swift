#if canImport(AROCommand)
    import ARO
    import ArgumentParser
    import Foundation
    import Testing

    @testable import AROCommand

    @Suite("What users type") struct CommandLineTests {
        @Test(
            "sizes, with decimal and binary units",
            arguments: [
                ("0", 0), ("1500", 1_500), ("1B", 1), ("10kB", 10_000), ("10KiB", 10_240),
                ("1M", 1 << 20), ("1.5GB", 1_500_000_000), ("20GiB", 20 << 30), ("2T", 2 << 40),
                ("9223372036854775807", Int.max),
            ])
        func sizes(text: String, bytes: Int) {
            #expect(ByteCount(argument: text)?.bytes == UInt64(bytes))
        }

        @Test(
            "what is no size",
            arguments: [
                "", "GB", "-1", "1 GB", "1XB", "1.2.3G", ".", ".5M", "99999999999999999999", "1e9",
                "9999999T",
            ])
        func badSizes(text: String) { #expect(ByteCount(argument: text) == nil) }

        @Test("ranges include both ends, as in HTTP")
        func ranges() {
            #expect(ByteRange(argument: "0-0") == ByteRange(argument: "0-0"))
            let hundred = ByteRange(argument: "0-99")
            #expect(hundred?.from == 0 && hundred?.to == 100)
            let rest = ByteRange(argument: "7-")
            #expect(rest?.from == 7 && rest != nil && rest?.to == nil)
            for bad in ["", "-", "-5", "5", "9-3", "a-b", "1-2-3", "0-18446744073709551615"] {
                #expect(ByteRange(argument: bad) == nil)
            }
        }

        @Test(
            "content is named by CID and path, in the forms that are in use",
            arguments: [
                "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy/a/b.txt",
                "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy/a/b.txt",
                "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy/a//b.txt/",
            ])
        func contentPaths(text: String) throws {
            let path = try ContentPath(text)
            #expect("\(path.root)".hasPrefix("bafkreigh2a"))
            #expect(path.path == ["a", "b.txt"])
        }

        @Test(
            "what is no CID is refused", arguments: ["", "/", "QmYwAPJzv5CZsnA", "bafy", "hello"])
        func badContent(text: String) { #expect(throws: CIDFailure.self) { try ContentPath(text) } }

        @Test("a node's options are read")
        func nodeOptions() throws {
            let command = try AROMain.parseAsRoot([
                "node", "--listen", "127.0.0.1:0", "--listen", "[::1]:7", "--bootstrap",
                "example.org:4002", "--bootstrap", "[::1]:9", "--data-dir", "/tmp/x", "--quota",
                "5GB", "--log-level", "debug",
            ])
            let node = try #require(command as? NodeCommand)
            #expect(node.listen.map { "\($0)" } == ["127.0.0.1:0", "[::1]:7"])
            #expect(node.bootstrap.map(\.description) == ["example.org:4002", "[::1]:9"])
            #expect(node.node.path == "/tmp/x")
            #expect(node.quota?.bytes == 5_000_000_000)
            #expect(node.logLevel == .debug)
        }

        @Test(
            "what makes no sense is refused with the exit code of wrong usage",
            arguments: [
                ["node", "--listen", "localhost:1"], ["node", "--listen", "127.0.0.1"],
                ["node", "--listen", "[::1]"], ["node", "--bootstrap", "host"],
                ["node", "--quota", "many"], ["node", "--log-level", "loud"], ["get"], ["put"],
                ["get", "nonsense"], ["resolve", "peer"], ["resolve", "x/y"], ["teleport"],
                [
                    "providers", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
                    "--limit", "0",
                ],
                ["get", "--json", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"],
                ["demo", "--size", "1MiB"],
            ])
        func wrongUsage(words: [String]) {
            do {
                _ = try AROMain.parseAsRoot(words)
                Issue.record("\(words) was accepted")
            } catch {
                #expect(AROMain.exitCode(for: error).rawValue == ExitStatus.usage.rawValue)
            }
        }

        @Test("each failure has its exit code")
        func exitCodes() {
            #expect(ExitStatus(of: FailureReport(.notFound, "")) == .notFound)
            #expect(ExitStatus(of: FailureReport(.unverified, "")) == .unverified)
            #expect(ExitStatus(of: FailureReport(.full, "")) == .full)
            #expect(ExitStatus(of: FailureReport(.usage, "")) == .usage)
            #expect(ExitStatus(of: ControlClientFailure.noNode(dataDirectory: "/x")) == .noNode)
            #expect(ExitStatus(of: ControlClientFailure.hungUp) == .failure)
            #expect(ExitStatus(of: SystemFailure("x", code: EACCES)) == .failure)
            #expect(ExitStatus(of: CommandFailure(.unverified, "")) == .unverified)
            #expect(ExitStatus(of: CleanExit.helpRequest()) == nil)
            #expect(Set(ExitStatus.allCases.map(\.rawValue)).count == ExitStatus.allCases.count)
        }

        @Test("the data directory is the one that is said, then the environment's, then XDG's")
        func dataDirectories() {
            func directory(_ variables: [String: String]) -> String {
                StandardPaths.dataDirectory { variables[$0] }
            }
            #expect(directory(["ARO_DATA_DIR": "/a/b/", "HOME": "/h"]) == "/a/b")
            #expect(directory(["XDG_DATA_HOME": "/x", "HOME": "/h"]) == "/x/aro")
            #expect(directory(["XDG_DATA_HOME": "rel", "HOME": "/h"]) == "/h/.local/share/aro")
            #expect(StandardPaths.absolute("/a//./b/") == "/a/b")
            #expect(StandardPaths.absolute("x").hasSuffix("/x"))
        }
    }

    @Suite("What users see") struct OutputTests {
        @Test(
            "bytes have three digits",
            arguments: [
                (0, "0 B"), (999, "999 B"), (1_000, "1.00 kB"), (1_500_000, "1.50 MB"),
                (64_000_000_000, "64.0 GB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
                (9_995, "10.0 kB"), (99_950, "100 kB"), (1_006, "1.01 kB"),
            ])
        func bytes(count: Int, text: String) { #expect(Format.bytes(UInt64(count)) == text) }

        @Test(
            "times are short",
            arguments: [
                (0.2, "1s"), (59, "59s"), (187, "3:07"), (8_100, "2:15:00"), (.infinity, "--"),
                (1e9, "--"),
            ])
        func times(seconds: Double, text: String) { #expect(Format.time(seconds) == text) }

        @Test("progress tells bytes, share, rate and time left")
        func progress() {
            var line = ProgressLine(isOn: false)
            let total: UInt64 = 100_000_000
            func report(_ done: UInt64) -> ProgressReport {
                ProgressReport(phase: .fetching, done: done, total: total, providers: 3)
            }
            #expect(line.text(of: report(0), at: 10) == "fetching  0 B of 100 MB  0 %  3 peers")
            #expect(
                line.text(of: report(10_000_000), at: 11)
                    == "fetching  10.0 MB of 100 MB  10 %  10.0 MB/s  9s left  3 peers")
            // A stall lets the rate fall little by little.
            let stalled = line.text(of: report(10_000_000), at: 16)
            #expect(stalled.contains("MB/s") && !stalled.contains("10.0 MB/s"))
        }

        @Test("progress without a known total, and of nothing, makes sense")
        func progressWithoutTotal() {
            var line = ProgressLine(isOn: false)
            #expect(line.text(of: .init(phase: .importing, done: 5), at: 0) == "importing  5 B")
            #expect(
                line.text(of: .init(phase: .sending, done: 0, total: 0), at: 1)
                    == "sending  0 B of 0 B  100 %")
        }
    }

    @Suite("What a get writes") struct OutputTreeTests {
        private let directory: String

        init() throws {
            directory = NSTemporaryDirectory() + "aro-output-\(UUID().uuidString)"
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
        }

        private func entry(
            _ path: [String], _ kind: ContentEntry.Kind, target: String? = nil
        ) -> EntryReport {
            EntryReport(path: path, kind: kind, cid: "c", bytes: nil, target: target)
        }

        private func names() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        }

        private func clean() { try? FileManager.default.removeItem(atPath: directory) }

        private func write(_ text: String, to tree: OutputTree) throws {
            try Array(text.utf8).withUnsafeBytes { try tree.write($0) }
        }

        @Test("a file has its name only when it is whole")
        func file() throws {
            defer { clean() }
            let tree = OutputTree(at: directory + "/out")
            try tree.check()
            try tree.begin(entry([], .file))
            try write("half", to: tree)
            #expect(try names().contains("out") == false)
            try write(" and half", to: tree)
            try tree.finish()
            #expect(try names() == ["out"])
            #expect(
                try String(contentsOfFile: directory + "/out", encoding: .utf8) == "half and half")
        }

        @Test("what is given up leaves nothing, and an older file stays")
        func abandoned() throws {
            defer { clean() }
            try "old".write(toFile: directory + "/out", atomically: true, encoding: .utf8)
            let tree = OutputTree(at: directory + "/out")
            try tree.check()
            try tree.begin(entry([], .file))
            try write("new", to: tree)
            tree.abandon()
            #expect(try names() == ["out"])
            #expect(try String(contentsOfFile: directory + "/out", encoding: .utf8) == "old")
        }

        @Test("a directory comes with all that is in it")
        func tree() throws {
            defer { clean() }
            let tree = OutputTree(at: directory + "/out")
            try tree.check()
            try tree.begin(entry([], .directory))
            try tree.begin(entry(["a"], .file))
            try write("1", to: tree)
            try tree.begin(entry(["d"], .directory))
            try tree.begin(entry(["d", "e"], .file))
            try tree.begin(entry(["l"], .symlink, target: "a"))
            try tree.finish()
            #expect(try names() == ["out"])
            let inside = try FileManager.default.subpathsOfDirectory(atPath: directory + "/out")
            #expect(inside.sorted() == ["a", "d", "d/e", "l"])
        }

        @Test(
            "names that lead elsewhere are refused",
            arguments: [
                "..", ".", "", "a/b", "/etc", "x\0y",
            ])
        func hostileNames(name: String) throws {
            defer { clean() }
            let tree = OutputTree(at: directory + "/out")
            try tree.begin(entry([], .directory))
            #expect(throws: CommandFailure.self) { try tree.begin(entry([name], .file)) }
            tree.abandon()
            #expect(try names() == [])
        }

        @Test("a link is never written through")
        func links() throws {
            defer { clean() }
            let tree = OutputTree(at: directory + "/out")
            try tree.begin(entry([], .directory))
            try tree.begin(entry(["l"], .symlink, target: directory))
            #expect(throws: SystemFailure.self) { try tree.begin(entry(["l"], .file)) }
            #expect(throws: SystemFailure.self) { try tree.begin(entry(["l"], .directory)) }
            tree.abandon()
            #expect(try names() == [])
        }

        @Test("what could only fail at the end fails at the beginning")
        func check() throws {
            defer { clean() }
            #expect(throws: CommandFailure.self) { try OutputTree(at: directory).check() }
            #expect(throws: SystemFailure.self) {
                try OutputTree(at: directory + "/no/such/out").check()
            }
        }
    }
#endif
