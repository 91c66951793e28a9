/// The other files that a scenario reads: they are kept, so that the folder of a run needs nothing
/// else to be played again.

extension Scenario {
    /// A file that the scenario names.
    public struct Input: Hashable, Sendable {
        /// As the scenario writes it.
        public var name: String
        public var text: String
    }

    /// Where the folder of a run keeps a file that its scenario names.
    public static func inputPath(_ name: String) -> String {
        "inputs/" + String(name.map { $0 == "/" ? "_" : $0 })
    }
}

/// Notes what is read through it.
final class InputReader {
    private let open: (String) -> String?
    private(set) var inputs: [Scenario.Input] = []

    init(_ open: @escaping (String) -> String?) { self.open = open }

    func read(_ name: String) -> String? {
        if let known = inputs.first(where: { $0.name == name }) { return known.text }
        guard let text = open(name) else { return nil }
        inputs.append(Scenario.Input(name: name, text: text))
        return text
    }
}
