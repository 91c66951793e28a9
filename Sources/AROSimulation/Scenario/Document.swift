/// A scenario file as YAML, read so that every fault has a place: file, line, key, and the key that
/// was probably meant.

import AROPrimitives
import Yams

/// What is wrong with a scenario file, in words for the one who wrote it.
public struct ScenarioFault: Error, Hashable, Sendable, CustomStringConvertible {
    public var place: String
    public var message: String

    public var description: String { "\(place): \(message)" }
}

struct Document {
    let file: String
    private(set) var root: Yams.Node

    init(_ text: String, file: String) throws(ScenarioFault) {
        self.file = file
        do {
            guard let root = try Yams.compose(yaml: text) else {
                throw ScenarioFault(place: file, message: "the file is empty")
            }
            self.root = root
        } catch let fault as ScenarioFault {
            throw fault
        } catch {
            throw ScenarioFault(place: file, message: "not YAML: \(error)")
        }
    }

    /// Sets what `path` (keys and list places, with dots between) leads to, as `--set` asks for.
    /// `value` is read as YAML.
    mutating func set(_ path: String, to value: String) throws(ScenarioFault) {
        let keys = Self.keys(of: path)
        let place = "--set \(path)=\(value)"
        guard !keys.contains("") else {
            throw ScenarioFault(place: place, message: "an empty key")
        }
        guard let parsed = try? Yams.compose(yaml: value) else {
            throw ScenarioFault(place: place, message: "the value is not YAML")
        }
        root = try Self.replace(keys[...], in: root, by: unmarked(parsed), place: place)
    }

    /// Names of the node's configuration have dots of their own: what follows `config` is one key.
    private static func keys(of path: String) -> [String] {
        var keys = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if let i = keys.firstIndex(of: "config"), i + 1 < keys.count, !keys.contains("") {
            keys[(i + 1)...] = [keys[(i + 1)...].joined(separator: ".")]
        }
        return keys
    }

    private static func replace(
        _ keys: ArraySlice<String>, in node: Yams.Node, by value: Yams.Node, place: String
    ) throws(ScenarioFault) -> Yams.Node {
        guard let key = keys.first else { return value }
        switch node {
        case .mapping(var mapping):
            let inner = mapping[key] ?? Yams.Node([(Yams.Node, Yams.Node)]())
            mapping[key] = try replace(keys.dropFirst(), in: inner, by: value, place: place)
            return .mapping(mapping)
        case .sequence(var sequence):
            guard let i = Int(key), sequence.indices.contains(i) else {
                throw ScenarioFault(
                    place: place, message: "'\(key)' is no place in a list of \(sequence.count)")
            }
            sequence[i] = try replace(keys.dropFirst(), in: sequence[i], by: value, place: place)
            return .sequence(sequence)
        default:
            throw ScenarioFault(place: place, message: "there is nothing below '\(key)' to set")
        }
    }

    /// Without line numbers, which would be those of the command line.
    private func unmarked(_ node: Yams.Node) -> Yams.Node {
        switch node {
        case .scalar(let scalar): Yams.Node(scalar.string)
        case .sequence(let sequence): Yams.Node(sequence.map(unmarked))
        case .mapping(let mapping):
            Yams.Node(mapping.map { (unmarked($0.key), unmarked($0.value)) })
        default: node
        }
    }
}

/// One value of the file.
struct Field {
    let node: Yams.Node
    let path: String
    let file: String

    func fault(_ message: String) -> ScenarioFault {
        ScenarioFault(place: Self.place(file, node.mark), message: "\(path): \(message)")
    }

    static func place(_ file: String, _ mark: Mark?) -> String {
        mark.map { "\(file):\($0.line)" } ?? "\(file) with --set"
    }

    func text() throws(ScenarioFault) -> String {
        guard case .scalar(let scalar) = node else { throw fault("one value is wanted here") }
        return scalar.string
    }

    func int(_ range: ClosedRange<Int>) throws(ScenarioFault) -> Int {
        let text = try text()
        guard let value = Int(text.filter { $0 != "_" }), range.contains(value) else {
            throw fault("'\(text)' is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func unsigned() throws(ScenarioFault) -> UInt64 {
        let text = try text()
        guard let value = UInt64(text) else { throw fault("'\(text)' is no number") }
        return value
    }

    func duration(atMost limit: Duration = .hours(24 * 365)) throws(ScenarioFault) -> Duration {
        let text = try text()
        guard let value = Quantity.duration(text) else {
            throw fault("'\(text)' is no time; write it with a unit, as 100ms, 1.5s or 10m")
        }
        guard value <= limit else { throw fault("more than \(Quantity.text(limit))") }
        return value
    }

    func chance() throws(ScenarioFault) -> Chance {
        let text = try text()
        guard let value = Quantity.chance(text) else {
            throw fault("'\(text)' is no share; write it as 10% or 0.1%")
        }
        return value
    }

    func byteCount(atMost limit: Int64) throws(ScenarioFault) -> Int {
        let text = try text()
        guard let value = Quantity.byteCount(text) else {
            throw fault("'\(text)' is no size; write it with a unit, as 512B, 1KiB or 1MB")
        }
        guard value <= limit else { throw fault("more than \(Quantity.text(bytes: limit))") }
        return Int(value)
    }

    func bitRate() throws(ScenarioFault) -> Int64 {
        let text = try text()
        guard let value = Quantity.bitRate(text), value > 0 else {
            throw fault("'\(text)' is no rate; write it with a unit, as 500kbit or 20Mbit")
        }
        return value
    }

    /// One of a few words.
    func choice<T>(_ choices: [(String, T)]) throws(ScenarioFault) -> T {
        let text = try text()
        if let found = choices.first(where: { $0.0 == text }) { return found.1 }
        let words = choices.map(\.0)
        let hint = nearest(to: text, among: words).map { "; did you mean '\($0)'?" } ?? ""
        throw fault("'\(text)' is none of \(words.joined(separator: ", "))\(hint)")
    }

    func list() throws(ScenarioFault) -> [Field] {
        guard case .sequence(let sequence) = node else { throw fault("a list is wanted here") }
        return sequence.enumerated().map {
            Field(node: $0.element, path: "\(path).\($0.offset)", file: file)
        }
    }

    func section(_ keys: [String]) throws(ScenarioFault) -> Section {
        try Section(self, keys: keys)
    }

    var isScalar: Bool { if case .scalar = node { true } else { false } }

    var isList: Bool { if case .sequence = node { true } else { false } }
}

/// A mapping whose keys are all known.
struct Section {
    let field: Field
    private var values: [(key: String, field: Field)] = []

    init(_ field: Field, keys: [String]) throws(ScenarioFault) {
        self.field = field
        guard case .mapping(let mapping) = field.node else {
            throw field.fault("keys and values are wanted here: \(keys.joined(separator: ", "))")
        }
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            let path = field.path.isEmpty ? name : "\(field.path).\(name)"
            guard keys.contains(name) else {
                let hint = nearest(to: name, among: keys).map { "did you mean '\($0)'?" }
                let known = "known here: \(keys.joined(separator: ", "))"
                throw ScenarioFault(
                    place: Field.place(field.file, key.mark),
                    message: "unknown key '\(path)'; \(hint ?? known)")
            }
            values.append((name, Field(node: value, path: path, file: field.file)))
        }
    }

    var keys: [String] { values.map(\.key) }

    subscript(key: String) -> Field? { values.first { $0.key == key }?.field }

    func required(_ key: String) throws(ScenarioFault) -> Field {
        guard let field = self[key] else { throw self.field.fault("'\(key)' is missing") }
        return field
    }
}
