/// Limits of the machine and of the node, met by commands.

import Foundation
import Testing

extension Processes {
    @Suite("Limits")
    struct Limits {
        @Test(
            "a full disk refuses what does not fit, and keeps what was there",
            .enabled(if: Trial.hasSmallDisks))
        func fullDisk() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a full disk")
                let one = try await cluster.start("one")
                let two = try await cluster.start("two", bootstrap: one, diskMiB: 6)
                try await one.meets(1)
                let fits = try cluster.file("fits", chance.bytes(3 << 20))
                let tooLarge = try cluster.file("large", chance.bytes(9 << 20))
                let kept = try await two.put(fits)

                let put = try await two.aro("put", tooLarge)
                #expect(put.ending == .exited(6), "\(put)")
                #expect(put.errors.contains("no space left"), "\(put)")
                #expect(put.output.isEmpty)
                #expect(try await two.ask("ls", as: Root.self).map(\.cid) == [kept.cid])

                let elsewhere = try await one.put(tooLarge)
                let copy = cluster.path("copy")
                let get = try await two.aro("get", elsewhere.cid, "-o", copy)
                #expect(get.ending == .exited(6), "\(get)")
                #expect(get.errors.contains("full"), "\(get)")
                #expect(!FileManager.default.fileExists(atPath: copy))

                // It goes on: with what it holds, and with what needs no room there.
                try await two.get(kept.cid, to: copy)
                #expect(FileManager.default.contentsEqual(atPath: fits, andPath: copy))
                let small = try await two.put(cluster.file("small", Data("fits in a row".utf8)))
                try await one.get(small.cid, to: cluster.path("small copy"))
                #expect(two.isRunning)
            }
        }

        @Test("the disk for the output may be full too", .enabled(if: Trial.hasSmallDisks))
        func fullOutput() async throws {
            try await Cluster.run { cluster in
                var chance = Trial.chance("a full output")
                let node = try await cluster.start("one")
                let put = try await node.put(cluster.file("file", chance.bytes(3 << 20)))
                let place = cluster.path("disk")
                let child = try Child(
                    Trial.onSmallDisk(place, 1) + [
                        "sh", "-c",
                        "\"$0\" get \(put.cid) -o \"$2/copy\" --data-dir \"$1\"; "
                            + "code=$?; ls -A \"$2\"; exit $code",
                        Trial.executable, node.dataDirectory, place,
                    ], output: cluster.path("full"))
                let outcome = try await Outcome.of(child)
                #expect(outcome.ending == .exited(1), "\(outcome)")
                #expect(outcome.errors.contains("No space left"), "\(outcome)")
                #expect(outcome.output.isEmpty, "\(outcome)")
            }
        }

        @Test("one command too many is told so, and the next one served")
        func clients() async throws {
            try await Cluster.run { cluster in
                let node = try await cluster.start("one")
                var ends: [Int32] = []
                defer { for end in ends { close(end) } }
                for _ in 0..<128 { ends.append(try connect(node.dataDirectory + "/control.sock")) }
                let refused = try await node.aro("id")
                #expect(refused.ending == .exited(1), "\(refused)")
                #expect(refused.errors.contains("too many commands"), "\(refused)")
                for end in ends { close(end) }
                ends = []
                try await Patience.until("a command is served") {
                    try await node.aro("id").isSuccess
                }
            }
        }

        private func connect(_ path: String) throws -> Int32 {
            let end = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let length = socklen_t(MemoryLayout<sockaddr_un>.size)
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Foundation.connect(end, $0, length)
                }
            }
            guard end >= 0, code == 0 else { throw POSIXError(.init(rawValue: errno)!) }
            return end
        }
    }
}
