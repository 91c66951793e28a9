/// Which scenarios, and what of them to change.

import AROSimulation
import ArgumentParser
import Foundation

struct Changes: ParsableArguments {
    @Option(help: "The seed, in place of the file's.")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Change one value, as network.loss=20% or nodes.0.count=100.", valueName: "key=value"))
    var set: [String] = []

    func settings() throws -> [Scenario.Setting] {
        var settings: [Scenario.Setting] = []
        for pair in set {
            guard let equals = pair.firstIndex(of: "=") else {
                throw Complaint("--set \(pair): write it as key=value")
            }
            settings.append(
                Scenario.Setting(
                    String(pair[..<equals]), String(pair[pair.index(after: equals)...])))
        }
        if let seed { settings.append(Scenario.Setting("seed", String(seed))) }
        return settings
    }
}

struct ScenarioOptions: ParsableArguments {
    @Argument(help: "A scenario file, or the folder of a run.")
    var file: String

    @OptionGroup var changes: Changes

    func load() throws -> Scenario {
        try ScenarioFile(ScenarioFile.path(file)).load(try changes.settings())
    }
}

/// A scenario file with the files around it.
struct ScenarioFile {
    let path: String
    let text: String

    init(_ path: String) throws {
        self.path = path
        text = try Self.read(path)
    }

    func load(_ settings: [Scenario.Setting] = []) throws -> Scenario {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        return try Scenario(
            yaml: text, file: path, settings: settings, open: Self.reader(in: folder))
    }

    /// Reads what a scenario names: beside it, or from the inputs that the folder of a run keeps.
    static func reader(in folder: URL) -> (String) -> String? {
        { name in
            for candidate in [Scenario.inputPath(name), name] {
                let url = URL(fileURLWithPath: candidate, relativeTo: folder)
                if let text = try? Self.read(url.path) { return text }
            }
            return nil
        }
    }

    static func read(_ path: String) throws -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Complaint("cannot read \(path): \(error.localizedDescription)")
        }
    }

    /// The scenario of a run's folder, or the file itself.
    static func path(_ path: String) -> String {
        let resolved = path + "/scenario.resolved.yaml"
        return FileManager.default.fileExists(atPath: resolved) ? resolved : path
    }

    /// The scenarios that a path stands for: of a folder all `*.yaml` in it, by name.
    static func all(at path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
            isFolder.boolValue, Self.path(path) == path
        else { return [Self.path(path)] }
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        let files = names.filter { $0.hasSuffix(".yaml") }.sorted()
        guard !files.isEmpty else { throw Complaint("\(path): there is no *.yaml in it") }
        return files.map { path + "/" + $0 }
    }
}
