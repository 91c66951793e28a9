import AROPrimitives
import NIOCore
import Testing

@testable import ARORuntime

@Suite("Control frames") struct ControlFrameTests {
    private func frames(_ bytes: [UInt8], cut: Int) throws -> [ControlFrame] {
        var reader = ControlFrameReader()
        var buffer = ByteBuffer()
        var found: [ControlFrame] = []
        var start = 0
        while start < bytes.count {
            let end = min(start + cut, bytes.count)
            buffer.writeBytes(bytes[start..<end])
            while let frame = try reader.next(&buffer) { found.append(frame) }
            start = end
        }
        return found
    }

    @Test("lines and runs are read however they are cut")
    func cuts() throws {
        let text = "{\"put\":{}}\n{\"bytes\":5}\nhe\nlo{\"bytes\":0}\n{\"end\":{}}\n"
        for cut in 1...text.utf8.count {
            let found = try frames(Array(text.utf8), cut: cut)
            var run: [UInt8] = []
            var lines: [String] = []
            for frame in found {
                switch frame {
                case .bytes(let bytes): run += bytes.readableBytesView
                case .line(let line): lines.append(String(decoding: line, as: UTF8.self))
                }
            }
            #expect(run == Array("he\nlo".utf8))
            #expect(lines == ["{\"put\":{}}", "{\"end\":{}}"])
        }
    }

    @Test("a line without end and a run without bound are refused")
    func bounds() {
        let endless = [UInt8](repeating: UInt8(ascii: "x"), count: ControlLimits.lineBytesMax + 2)
        #expect(throws: ControlFrameFailure.lineTooLong) { try frames(endless, cut: 4_096) }
        let huge = Array("{\"bytes\":\(ControlLimits.runBytesMax + 1)}\n".utf8)
        #expect(throws: ControlFrameFailure.runTooLong) { try frames(huge, cut: 7) }
    }

    @Test("random bytes give frames or a refusal, never a trap")
    func random() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = Generator(seed: seed)
        for _ in 0..<300 {
            let bytes = (0..<generator.below(2_000)).map { _ -> UInt8 in
                generator.chance(1, in: 10) ? 10 : UInt8(generator.below(256))
            }
            _ = try? frames(bytes, cut: 1 + generator.below(50))
        }
        print("seed \(seed)")
    }

    @Test("every event survives its JSON, one line each")
    func events() throws {
        let events: [ControlEvent] = [
            .end, .done, .failed(.init(.notFound, "no\nline \"break\"")),
            .progress(.init(phase: .fetching, done: 5, total: 9, providers: 2, fetched: 3)),
            .put(.init(cid: "b", bytes: 1, holders: 2, wanted: 3)),
            .entry(.init(path: ["a", "b"], kind: .file, cid: "c", bytes: nil, target: nil)),
            .name(.init(cid: "x", sequence: .max, expires: -1)),
        ]
        for event in events {
            let line = try ControlJSON.encode(event)
            #expect(!line.contains(10))
            #expect(try ControlJSON.decode(ControlEvent.self, from: line) == event)
        }
        let two = Array("{\"done\":{},\"end\":{}}".utf8)
        #expect(throws: (any Error).self) { try ControlJSON.decode(ControlEvent.self, from: two) }
    }
}
