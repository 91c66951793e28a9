/// `config:` of a scenario or a group: values of the node's configuration, by their own names.

import ARONode
import AROPrimitives

/// A value of the node's configuration that a scenario may set.
struct ConfigurationKey: Sendable {
    /// As the type calls it, with dots between.
    var name: String
    var set: @Sendable (inout Configuration, Field) throws(ScenarioFault) -> Void
}

extension Scenario {
    /// What a node runs with in place of the defaults.
    public struct NodeSettings: Hashable, Sendable {
        /// As they were written, in that order.
        public private(set) var values: [Setting] = []

        public init() {}

        init(_ field: Field, isOfGroup: Bool, _ fidelity: Fidelity) throws(ScenarioFault) {
            let section = try field.section(ConfigurationKey.all.map(\.name))
            var configuration = Configuration.simulated
            for name in section.keys {
                guard let value = section[name],
                    let key = ConfigurationKey.all.first(where: { $0.name == name })
                else { continue }
                try key.set(&configuration, value)
                if isOfGroup, fidelity == .messages, name.hasPrefix("transport.") {
                    throw value.fault("with 'fidelity: messages' all nodes have one transport")
                }
                values.append(Setting(name, try value.text()))
            }
        }

        /// Sets what was written, which was read once already.
        func apply(to configuration: inout Configuration) {
            for value in values {
                guard let key = ConfigurationKey.all.first(where: { $0.name == value.path })
                else { continue }
                let field = Field(node: .init(value.value), path: value.path, file: "")
                try? key.set(&configuration, field)
            }
        }

        var resolved: String {
            "{\(values.map { "\($0.path): \(Scenario.quoted($0.value))" }.joined(separator: ", "))}"
        }
    }

    /// What the nodes of a group run with.
    func configuration(of group: Group) -> Configuration {
        var configuration = configuration
        group.settings.apply(to: &configuration)
        return configuration
    }
}

/// Which configuration each node is born with.
public final class Cohorts {
    private let configurations: [Configuration]
    private let base: Configuration
    private let shared: [SharedConfiguration]
    private let sharedBase: SharedConfiguration
    /// By node.
    var groupOf: [Int] = []

    public init(_ scenario: Scenario) {
        base = scenario.configuration
        configurations = scenario.groups.map { scenario.configuration(of: $0) }
        sharedBase = SharedConfiguration(base)
        shared = configurations.map { SharedConfiguration($0) }
    }

    /// By the number that its ``Birth`` says.
    public func configuration(of node: Int) -> Configuration {
        guard groupOf.indices.contains(node), configurations.indices.contains(groupOf[node]) else {
            return base
        }
        return configurations[groupOf[node]]
    }

    /// The same, in the pieces that all nodes of a cohort keep together.
    func sharedConfiguration(of node: Int) -> SharedConfiguration {
        guard groupOf.indices.contains(node), shared.indices.contains(groupOf[node]) else {
            return sharedBase
        }
        return shared[groupOf[node]]
    }
}

extension Field {
    func flag() throws(ScenarioFault) -> Bool {
        try choice([("on", true), ("off", false), ("true", true), ("false", false)])
    }

    func float() throws(ScenarioFault) -> Float {
        let text = try text()
        guard let value = Float(text), value.isFinite, value >= 0 else {
            throw fault("'\(text)' is no number")
        }
        return value
    }
}
