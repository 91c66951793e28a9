/// A JSON document as a value, for documents whose form others decide (RFC 8259).
///
/// Strangers write these documents: depth is bounded, as each level costs stack. Read by a parser of our own: a
/// `Codable` enum tries each number as five other things first, which takes seconds for a list of embeddings.

import Foundation

public enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])
}

public enum JSONFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed
    case tooDeep

    public var description: String {
        switch self {
        case .malformed: "this is not valid JSON"
        case .tooDeep: "the JSON is nested more than \(JSON.depthMax) levels deep"
        }
    }
}

extension JSON {
    /// Levels of arrays and objects. A guess: JSON schemas of tools nest a dozen.
    public static let depthMax = 64

    public init(_ bytes: some Sequence<UInt8>) throws(JSONFailure) {
        var parser = JSONParser(Array(bytes))
        self = try parser.document()
    }

    /// One line, keys in order.
    public var bytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only a number that JSON has no word for could fail, and those are written as null.
        return (try? encoder.encode(self)).map { [UInt8]($0) } ?? Array("null".utf8)
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension JSON: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .integer(let integer): try value.encode(integer)
        case .number(let number) where !number.isFinite: try value.encodeNil()
        case .number(let number): try value.encode(number)
        case .string(let text): try value.encode(text)
        case .array(let array): try value.encode(array)
        case .object(let object): try value.encode(object)
        }
    }
}

// MARK: - Reading and writing

extension JSON {
    /// A member of an object; nil where there is none, or where this is no object.
    public subscript(key: String) -> JSON? {
        get {
            guard case .object(let object) = self else { return nil }
            return object[key]
        }
        set {
            guard case .object(var object) = self else { return }
            object[key] = newValue
            self = .object(object)
        }
    }

    public subscript(index: Int) -> JSON? {
        guard case .array(let array) = self, array.indices.contains(index) else { return nil }
        return array[index]
    }

    public var string: String? { if case .string(let text) = self { text } else { nil } }
    public var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    public var array: [JSON]? { if case .array(let array) = self { array } else { nil } }
    public var object: [String: JSON]? {
        if case .object(let object) = self { object } else { nil }
    }
    public var isNull: Bool { self == .null }

    public var integer: Int64? {
        switch self {
        case .integer(let integer): integer
        case .number(let number): Int64(exactly: number)
        default: nil
        }
    }

    public var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        default: nil
        }
    }

    /// Not below zero.
    public var count: UInt64? { integer.flatMap { UInt64(exactly: $0) } }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByFloatLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }

    public init(_ value: some BinaryInteger) {
        self = .integer(Int64(clamping: value))
    }

    /// A text, or null.
    public init(_ text: String?) { self = text.map { .string($0) } ?? .null }
}
