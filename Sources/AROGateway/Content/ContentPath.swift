/// `/ipfs/{cid}[/path]` and `/ipns/{peer}/{label}[/path]`: what content is meant, and in which form it is
/// wanted (specs.ipfs.tech: path gateway, trustless gateway).

import AROContent
import AROPrimitives
import AROWire
import HTTPTypes

/// What content is meant.
struct ContentPath: Hashable, Sendable {
    enum Root: Hashable, Sendable {
        case cid(CID)
        /// `bafkqaaa`, the CID that is its own empty content: by it clients probe for a gateway.
        case probe
        /// A name of a peer's.
        case name(PeerID, String)
    }

    var root: Root
    var names: [String]

    init(_ target: Target) throws(GatewayError) {
        var names = Array(target.parts.dropFirst(2))
        if target.parts[0] == "ipns" {
            guard let peer = PeerID(target.parts[1]), let label = names.first else {
                throw GatewayError(
                    .badRequest, "name_malformed",
                    "a name is written /ipns/PEER/LABEL, with a peer as 'aro id' prints it")
            }
            names.removeFirst()
            root = .name(peer, label)
        } else if target.parts[1] == "bafkqaaa" {
            root = .probe
        } else {
            root = .cid(try CID(anyVersion: target.parts[1]))
        }
        guard names.allSatisfy(EntryName.isAllowed) else {
            throw GatewayError(.badRequest, "path_malformed", "no file can have this path")
        }
        self.names = names
    }
}

extension CID {
    /// Also CIDv0, `Qm…`: the base58 form of a sha2-256 multihash of a dag-pb block.
    init(anyVersion text: String) throws(GatewayError) {
        do throws(CIDFailure) {
            if text.hasPrefix("Qm"), text.utf8.count == 46 {
                guard let hash = Base58.decode(text), hash.count == 34, hash[0] == 0x12,
                    hash[1] == 32
                else { throw .malformed }
                try self.init(bytes: [1, 0x70] + hash)
            } else {
                try self.init(text)
            }
        } catch {
            throw GatewayError(.badRequest, "cid_malformed", "'\(text)': \(error)")
        }
    }
}

/// Bitcoin's base58, which CIDv0 is written in.
enum Base58 {
    private static let alphabet = Array(
        "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)

    /// nil for other characters. For short texts: the time grows with the square of the length.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for character in text.utf8 {
            guard let digit = alphabet.firstIndex(of: character) else { return nil }
            var carry = digit
            for i in bytes.indices.reversed() {
                carry += Int(bytes[i]) * 58
                bytes[i] = UInt8(carry & 0xff)
                carry >>= 8
            }
            while carry > 0 {
                bytes.insert(UInt8(carry & 0xff), at: 0)
                carry >>= 8
            }
        }
        return bytes
    }
}

/// In which form content is wanted.
enum ContentForm: Hashable, Sendable {
    /// A file's bytes, or a directory's listing.
    case plain
    /// A directory's listing for programs.
    case listing
    /// The block itself.
    case block
    case car(CarOptions)

    /// - Returns: the form, and whether the query named it.
    static func wanted(
        _ target: Target, _ headers: HTTPFields
    ) throws(GatewayError) -> (form: ContentForm, isInQuery: Bool) {
        switch target.query["format"] {
        case "raw": return (.block, true)
        case "car": return (.car(try CarOptions(target, accept: accepted(headers, "car"))), true)
        case nil: break
        case let other?:
            throw GatewayError(
                .badRequest, "format_unknown",
                "the format '\(other)' is not served; there are raw and car")
        }
        for kind in MediaRange.list(headers[.accept]) {
            switch kind.name {
            case "application/vnd.ipld.raw": return (.block, false)
            case "application/vnd.ipld.car":
                return (.car(try CarOptions(target, accept: kind)), false)
            case "application/json": return (.listing, false)
            case "text/html", "*/*": return (.plain, true)
            default: continue
            }
        }
        return (.plain, true)
    }

    private static func accepted(_ headers: HTTPFields, _ kind: String) -> MediaRange? {
        MediaRange.list(headers[.accept]).first { $0.name == "application/vnd.ipld.\(kind)" }
    }
}

/// One entry of an `Accept` header (RFC 9110 §12.5.1).
struct MediaRange: Hashable, Sendable {
    var name: String
    var parameters: [String: String]

    /// The best first; those of quality 0 left out.
    static func list(_ header: String?) -> [MediaRange] {
        guard let header, header.utf8.count <= 4_096 else { return [] }
        var ranked: [(quality: Double, range: MediaRange)] = []
        for entry in header.lowercased().split(separator: ",") {
            let parts = entry.split(separator: ";").map {
                $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
            }
            guard let name = parts.first, !name.isEmpty else { continue }
            var parameters: [String: String] = [:]
            for part in parts.dropFirst() {
                let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
                if sides.count == 2 { parameters[sides[0]] = sides[1] }
            }
            let quality = parameters["q"].flatMap { Double($0) } ?? 1
            guard quality > 0 else { continue }
            ranked.append((quality, MediaRange(name: String(name), parameters: parameters)))
        }
        // Swift's sort is stable: equals stay in the client's order.
        return ranked.sorted { $0.quality > $1.quality }.map(\.range)
    }
}

/// What a CAR is to hold.
struct CarOptions: Hashable, Sendable {
    enum Scope: String, Hashable, Sendable { case block, entity, all }

    var scope = Scope.all
    var bytes: EntityBytes?
    /// Whether a block comes as often as it is linked.
    var repeats = false

    init(_ target: Target, accept: MediaRange?) throws(GatewayError) {
        if let text = target.query["dag-scope"] {
            guard let scope = Scope(rawValue: text) else {
                throw Self.refusal("dag-scope", text, "block, entity and all")
            }
            self.scope = scope
        }
        if let text = target.query["entity-bytes"] {
            guard let bytes = EntityBytes(text) else {
                throw Self.refusal("entity-bytes", text, "FROM:TO and FROM:*")
            }
            (self.bytes, scope) = (bytes, .entity)
        }
        let version = target.query["car-version"] ?? accept?.parameters["version"] ?? "1"
        guard version == "1" else { throw Self.refusal("car-version", version, "1") }
        let order = target.query["car-order"] ?? accept?.parameters["order"] ?? "dfs"
        guard order == "dfs" || order == "unk" else {
            throw Self.refusal("car-order", order, "dfs and unk")
        }
        let repeats = target.query["car-dups"] ?? accept?.parameters["dups"] ?? "n"
        guard repeats == "y" || repeats == "n" else {
            throw Self.refusal("car-dups", repeats, "y and n")
        }
        self.repeats = repeats == "y"
    }

    private static func refusal(_ name: String, _ text: String, _ served: String) -> GatewayError {
        GatewayError(
            .badRequest, "parameter_malformed", "\(name)=\(text): served are \(served)")
    }

    var mediaType: String {
        "application/vnd.ipld.car; version=1; order=dfs; dups=\(repeats ? "y" : "n")"
    }
}
