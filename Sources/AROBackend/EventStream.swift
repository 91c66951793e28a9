/// Server-sent events out of bytes as they come (WHATWG HTML §9.2.6), bounded: a line or an event that
/// never ends is an error.

public struct EventStream: Sendable {
    public struct Event: Hashable, Sendable {
        /// What the server calls it; nil where it does not.
        public var name: String?
        public var data: [UInt8]
    }

    public struct Overflow: Error {}

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var name: String?
    private var sawReturn = false
    private let byteCountMax: Int

    /// - Parameter byteCountMax: bytes of one event's data.
    public init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// Takes bytes in, and gives out the events that they complete.
    public mutating func take(_ bytes: some Sequence<UInt8>) throws(Overflow) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            let followsReturn = sawReturn
            sawReturn = byte == UInt8(ascii: "\r")
            switch byte {
            case UInt8(ascii: "\n") where followsReturn: continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let event = endLine() { events.append(event) }
            default:
                guard line.count + data.count < byteCountMax + 64 else { throw Overflow() }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> Event? {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return dispatch() }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        let field = line[..<colon]
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if field.elementsEqual("data".utf8) {
            if hasData { data.append(UInt8(ascii: "\n")) }
            data += value
            hasData = true
        } else if field.elementsEqual("event".utf8) {
            name = String(decoding: value, as: UTF8.self)
        } else if field.elementsEqual("error".utf8) {
            // llama.cpp says so of a failure in the middle of an answer.
            (name, data, hasData) = ("error", Array(value), true)
        }
        return nil
    }

    private mutating func dispatch() -> Event? {
        defer { (name, data, hasData) = (nil, [], false) }
        return hasData ? Event(name: name, data: data) : nil
    }
}
