/// Frames as a hostile or broken peer would write them, byte by byte.

import AROPrimitives
import AROWire

@testable import AROTransport

enum Crafted {
    static func stream(
        _ id: UInt64, at offset: UInt64, _ bytes: [UInt8], isLast: Bool = false
    ) -> [UInt8] {
        var frame: [UInt8] = [isLast ? 0x09 : 0x08]
        frame.appendVarint(id)
        frame.appendVarint(offset)
        frame.appendLengthPrefixed(bytes)
        return frame
    }

    static func numbers(_ type: UInt8, _ values: UInt64...) -> [UInt8] {
        var frame = [type]
        for value in values { frame.appendVarint(value) }
        return frame
    }

    static func reset(_ id: UInt64, code: UInt64 = 0, size: UInt64) -> [UInt8] {
        numbers(FrameType.resetStream, id, code, size)
    }

    static func stop(_ id: UInt64, code: UInt64 = 0) -> [UInt8] {
        numbers(FrameType.stopSending, id, code)
    }
}

extension Pair {
    /// Hands crafted frames to `b`, in a packet of their own. Returns the violation if there is
    /// one.
    func attack(_ frames: [UInt8]...) -> Violation? {
        attackNumber += 1
        let before = violations.count
        receive(frames.flatMap { $0 }, number: attackNumber, at: .b)
        return violations.count > before ? violations.last : nil
    }
}
