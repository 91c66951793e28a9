/// RFC 8259, strictly: no comments, no trailing commas, UTF-8 only, one document and nothing behind it. Of equal
/// keys the last counts.

struct JSONParser {
    private let bytes: [UInt8]
    private var at = 0
    private var depth = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONFailure) -> JSON {
        let value = try value()
        skipSpace()
        guard at == bytes.count else { throw .malformed }
        return value
    }

    private mutating func value() throws(JSONFailure) -> JSON {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    // MARK: Arrays and objects

    private mutating func array() throws(JSONFailure) -> JSON {
        try enter()
        var items: [JSON] = []
        if !took("]") {
            repeat { items.append(try value()) } while took(",")
            guard took("]") else { throw .malformed }
        }
        depth -= 1
        return .array(items)
    }

    private mutating func object() throws(JSONFailure) -> JSON {
        try enter()
        var members: [String: JSON] = [:]
        if !took("}") {
            repeat {
                skipSpace()
                guard peek == UInt8(ascii: "\"") else { throw .malformed }
                let key = try string()
                guard took(":") else { throw .malformed }
                members[key] = try value()
            } while took(",")
            guard took("}") else { throw .malformed }
        }
        depth -= 1
        return .object(members)
    }

    private mutating func enter() throws(JSONFailure) {
        at += 1
        depth += 1
        guard depth <= JSON.depthMax else { throw .tooDeep }
    }

    // MARK: Strings

    private mutating func string() throws(JSONFailure) -> String {
        at += 1
        var out: [UInt8] = []
        while true {
            let start = at
            while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"),
                byte >= 0x20
            { at += 1 }
            out += bytes[start..<at]
            switch peek {
            case UInt8(ascii: "\""):
                at += 1
                guard let text = String(validating: out, as: UTF8.self) else { throw .malformed }
                return text
            case UInt8(ascii: "\\"): try escape(&out)
            default: throw .malformed
            }
        }
    }

    private mutating func escape(_ out: inout [UInt8]) throws(JSONFailure) {
        at += 1
        guard let byte = peek else { throw .malformed }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0c)
        case UInt8(ascii: "n"): out.append(0x0a)
        case UInt8(ascii: "r"): out.append(0x0d)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"): out += Array(String(try scalar()).utf8)
        default: throw .malformed
        }
    }

    /// What follows `\u`. Half of a surrogate pair stands for nothing (Unicode §3.9): it is read as the
    /// replacement character, as a model that is cut within a pair sends one.
    private mutating func scalar() throws(JSONFailure) -> Unicode.Scalar {
        let high = try unit()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard high < 0xdc00, peek == UInt8(ascii: "\\"), at + 1 < bytes.count,
            bytes[at + 1] == UInt8(ascii: "u")
        else { return "\u{fffd}" }
        let before = at
        at += 2
        let low = try unit()
        guard (0xdc00..<0xe000).contains(low) else {
            at = before
            return "\u{fffd}"
        }
        return Unicode.Scalar(0x10000 + (UInt32(high) - 0xd800) << 10 + UInt32(low) - 0xdc00)
            ?? "\u{fffd}"
    }

    private mutating func unit() throws(JSONFailure) -> UInt16 {
        guard at + 4 <= bytes.count else { throw .malformed }
        var value: UInt16 = 0
        for byte in bytes[at..<at + 4] {
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw .malformed
            }
            value = value << 4 | UInt16(digit)
        }
        at += 4
        return value
    }

    // MARK: Words and numbers

    private mutating func word(_ word: String, _ value: JSON) throws(JSONFailure) -> JSON {
        guard bytes[at...].starts(with: word.utf8) else { throw .malformed }
        at += word.utf8.count
        return value
    }

    private mutating func number() throws(JSONFailure) -> JSON {
        let start = at
        _ = tookNow("-")
        if tookNow("0") {
            if let next = peek, Self.isDigit(next) { throw .malformed }
        } else {
            guard tookDigits() else { throw .malformed }
        }
        var isInteger = true
        if tookNow(".") {
            isInteger = false
            guard tookDigits() else { throw .malformed }
        }
        if tookNow("e") || tookNow("E") {
            isInteger = false
            if !tookNow("+") { _ = tookNow("-") }
            guard tookDigits() else { throw .malformed }
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw .malformed }
        return .number(number)
    }

    private mutating func tookDigits() -> Bool {
        let start = at
        while let byte = peek, Self.isDigit(byte) { at += 1 }
        return at > start
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: Bytes

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
            at += 1
        }
    }

    /// Past white space, the byte if it comes next.
    private mutating func took(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        return tookNow(byte)
    }

    private mutating func tookNow(_ byte: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }
}
