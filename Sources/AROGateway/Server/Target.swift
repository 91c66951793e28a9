/// A request's target, taken apart strictly: what does not decode cleanly is no path of ours.

struct Target: Hashable, Sendable {
    /// As it stood in the request, without the query.
    var rawPath: String
    /// The decoded parts between slashes, empty ones left out.
    var parts: [String]
    var endsWithSlash: Bool
    var query: [String: String]

    /// nil for what is malformed: no slash at the start, bad percent signs, bytes that are no UTF-8, a
    /// slash or a zero inside of a part.
    init?(_ text: String, byteCountMax: Int) {
        guard text.utf8.count <= byteCountMax, text.hasPrefix("/") else { return nil }
        let halves = text.split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        rawPath = String(halves[0])
        endsWithSlash = rawPath.hasSuffix("/")
        parts = []
        for raw in rawPath.split(separator: "/") {
            guard let part = Self.decode(raw), !part.utf8.contains(0),
                !part.utf8.contains(UInt8(ascii: "/"))
            else { return nil }
            parts.append(part)
        }
        query = [:]
        guard halves.count == 2 else { return }
        for pair in halves[1].split(separator: "&") {
            let sides = pair.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let key = Self.decode(sides[0], isQuery: true),
                let value = sides.count == 2 ? Self.decode(sides[1], isQuery: true) : ""
            else { return nil }
            query[key] = query[key] ?? value
        }
    }

    private static func decode(_ raw: Substring, isQuery: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = raw.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit),
                    let low = rest.popFirst().flatMap(digit)
                else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where isQuery: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// A part of a path, as it goes into a link (RFC 3986 §2.3: all but the unreserved is escaped).
    static func encode(_ part: String) -> String {
        var out = ""
        for byte in part.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return out
    }
}
