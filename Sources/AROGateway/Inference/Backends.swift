/// The model servers behind this node: which models they have, how busy they are, announced to the network as
/// it changes.

import AROBackend
import ARORuntime
import AROWire
import Logging
import Synchronization

public final class Backends: Sendable {
    /// How often servers are looked at. A guess: a slot is taken and freed within seconds.
    private static let periodSeconds: Int64 = 5
    /// Slots of a server that does not tell. A guess: Ollama's default is 4 (OLLAMA_NUM_PARALLEL).
    public static let slotsDefault = 4
    public static let slotsMax = 4_096

    /// One server as it was last seen.
    public struct Sight: Sendable {
        public var address: String
        public var models: [ServedModel] = []
        public var load: ServerLoad?
        /// Why it could not be asked; nil where it is well.
        public var complaint: String?
        /// It was looked at.
        public var isKnown = false
    }

    public let servers: [ModelServer]
    /// What a million tokens cost here.
    public let price: TokenPrice
    /// Calls at once of a server that does not tell how many it takes.
    public let slots: Int
    private let sights: Mutex<[Sight]>
    private let logger: Logger

    public init(
        _ servers: [ModelServer], price: TokenPrice = .free, slots: Int = slotsDefault,
        logger: Logger
    ) {
        (self.servers, self.price, self.logger) = (servers, price, logger)
        self.slots = min(max(1, slots), Self.slotsMax)
        sights = Mutex(servers.map { Sight(address: $0.address) })
    }

    public var latest: [Sight] { sights.withLock { $0 } }

    /// A healthy server that has the model, the least busy first.
    public func server(of model: String) -> ModelServer? {
        let sights = latest
        let able = sights.indices.filter { i in
            sights[i].complaint == nil && sights[i].models.contains { $0.name == model }
        }
        let best = able.min { load(sights[$0]) < load(sights[$1]) }
        return best.map { servers[$0] }
    }

    private func load(_ sight: Sight) -> Int {
        (sight.load?.busy ?? 0) + (sight.load?.queued ?? 0)
    }

    /// What is offered to the network: each model once, with the room of all its servers.
    public var offers: [ModelOffer] {
        var offers: [String: ModelOffer] = [:]
        for sight in latest where sight.complaint == nil {
            let slots = sight.load?.slots ?? self.slots
            let free = sight.load.map { $0.free ?? max(0, slots - $0.busy) } ?? slots
            for model in sight.models {
                let context = [sight.load?.contextTokens, model.contextTokens].compactMap { $0 }
                    .min()
                let known = offers[model.name]
                offers[model.name] = ModelOffer(
                    name: model.name,
                    contextTokens: max(
                        known?.contextTokens ?? 0, UInt32(clamping: context ?? 0)),
                    slotsFree: UInt16(clamping: Int(known?.slotsFree ?? 0) + free),
                    slots: UInt16(clamping: Int(known?.slots ?? 0) + slots),
                    queued: UInt16(clamping: Int(known?.queued ?? 0) + (sight.load?.queued ?? 0)))
            }
        }
        return offers.values.sorted { $0.name < $1.name }
    }

    /// Looks at every server once.
    public func look() async {
        await withTaskGroup(of: (Int, Sight).self) { group in
            for (i, server) in servers.enumerated() {
                group.addTask { (i, await Self.look(at: server)) }
            }
            for await (i, sight) in group { note(sight, i) }
        }
    }

    private static func look(at server: ModelServer) async -> Sight {
        var sight = Sight(address: server.address, isKnown: true)
        do throws(ModelServerFailure) { sight.models = try await server.models() } catch {
            sight.complaint = error.description
            return sight
        }
        sight.load = await server.load()
        return sight
    }

    private func note(_ sight: Sight, _ index: Int) {
        let before = sights.withLock { sights in
            defer { sights[index] = sight }
            return sights[index]
        }
        guard !before.isKnown || (before.complaint == nil) != (sight.complaint == nil) else {
            return
        }
        if let complaint = sight.complaint {
            logger.warning("backend \(sight.address): \(complaint)")
        } else {
            let names = sight.models.map(\.name).joined(separator: ", ")
            logger.info("backend \(sight.address) serves \(names)")
        }
    }

    /// Looks again and again, and lets the node serve and announce what it sees.
    public func watch(_ node: NodeHandle) async {
        guard !servers.isEmpty else { return }
        while !Task.isCancelled {
            await look()
            try? await node.serve(served)
            try? await Task.sleep(for: .seconds(Self.periodSeconds))
        }
    }

    /// For `aro doctor`.
    public func checkup() async -> [Finding] {
        await look()
        return latest.map { sight in
            let subject = "backend"
            if let complaint = sight.complaint {
                return Finding(
                    subject, .failure, "\(sight.address): \(complaint)",
                    advice: "start the model server, or name another address by --backend")
            }
            let names = sight.models.map(\.name).joined(separator: ", ")
            guard !sight.models.isEmpty else {
                return Finding(
                    subject, .warning, "\(sight.address) has no model",
                    advice: "load one there, or nothing can be offered")
            }
            guard let load = sight.load else {
                return Finding(
                    subject, .note,
                    "\(sight.address) serves \(names), and tells nothing of its load",
                    advice: "llama.cpp does with --slots and --metrics: calls then go where room is"
                )
            }
            let words =
                "\(sight.address) serves \(names); \(load.busy) of \(load.slots ?? 0) slots busy, "
                + "\(load.queued) calls wait"
            guard load.queued > 0 else { return Finding(subject, .good, words) }
            return Finding(
                subject, .warning, words,
                advice:
                    "it is full: answers wait; give it more slots, or the network more providers")
        }
    }

    public func shutdown() async {
        for server in servers { await server.shutdown() }
    }
}
