/// `GET|HEAD /ipfs/…` and `/ipns/…`: content from this node or, where it is not here, from the network,
/// streamed as it comes. Nothing is given out that was not checked against its CID.

import AROContent
import AROCrypto
import AROPrimitives
import ARORuntime
import AROWire
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Content that was found.
struct Found: Sendable {
    /// Where the walk begins.
    var root: CID
    var names: [String]
    /// What the names lead to.
    var entry: ContentEntry
    /// The CIDs along the path, the root's first, the entry's last.
    var roots: [CID]
    /// As the client wrote it, for `X-Ipfs-Path`.
    var path: String
    /// Nothing else can ever stand under this path.
    var isImmutable: Bool
}

extension Desk {
    func content(_ request: Request, _ target: Target) async throws -> Response {
        let path = try ContentPath(target)
        let (form, isInQuery) = try ContentForm.wanted(target, request.headers)
        if path.root == .probe { return try probe(form, path) }
        let found = try await find(path, target, request)
        var response: Response
        switch form {
        case .block: response = try await block(found, request)
        case .car(let options): response = try await car(found, options, target, request)
        case .plain, .listing:
            response = try await plain(found, target, request, asJSON: form == .listing)
        }
        response.headers[.init("X-Ipfs-Path")!] = target.rawPath
        response.headers[.init("X-Ipfs-Roots")!] =
            found.roots.map(\.description).joined(separator: ",")
        if !isInQuery, form != .listing {
            let name = form == .block ? "raw" : "car"
            response.headers[.contentLocation] =
                target.rawPath + (target.query.isEmpty ? "?format=\(name)" : "")
        }
        response.headers[.vary] = "Accept"
        return response
    }

    /// Answers to `bafkqaaa`, by which clients tell a gateway from other servers.
    private func probe(_ form: ContentForm, _ path: ContentPath) throws -> Response {
        guard path.names.isEmpty else {
            throw GatewayError(.notFound, "not_found", "bafkqaaa is an empty file")
        }
        switch form {
        case .car(let options):
            return Response(
                status: .ok,
                headers: [
                    .contentType: options.mediaType,
                    .contentDisposition: "attachment; filename=\"bafkqaaa.car\"",
                    .eTag: "W/\"bafkqaaa.car\"",
                ],
                body: ResponseBody(
                    byteBuffer: ByteBuffer(bytes: CarFile.header(root: CarFile.probe))))
        case .block:
            return Response(
                status: .ok,
                headers: [
                    .contentType: "application/vnd.ipld.raw",
                    .contentDisposition: "attachment; filename=\"bafkqaaa.bin\"",
                    .eTag: "\"bafkqaaa.raw\"",
                ], body: ResponseBody(byteBuffer: ByteBuffer()))
        case .plain, .listing:
            return Response(
                status: .ok,
                headers: [
                    .contentType: "text/plain; charset=utf-8", .eTag: "\"bafkqaaa\"",
                ], body: ResponseBody(byteBuffer: ByteBuffer()))
        }
    }

    // MARK: Finding

    private func find(
        _ path: ContentPath, _ target: Target, _ request: Request
    ) async throws -> Found {
        let isOnlyHere = request.headers[.cacheControl]?.contains("only-if-cached") == true
        return try await within(limits.resolveSeconds, status: .gatewayTimeout) { [node] in
            var root: CID
            switch path.root {
            case .cid(let cid): root = cid
            case .name(let peer, let label): root = try await node.resolve(label, of: peer).target
            case .probe: preconditionFailure("answered already")
            }
            let names = path.names
            let entry = try await Self.entry(root, names, node, isOnlyHere: isOnlyHere)
            var roots = [root]
            for count in 1..<max(1, names.count) {
                roots.append(try await node.entry(root, path: Array(names[..<count])).cid)
            }
            if !names.isEmpty { roots.append(entry.cid) }
            var isImmutable = true
            if case .name = path.root { isImmutable = false }
            return Found(
                root: root, names: names, entry: entry, roots: roots, path: target.rawPath,
                isImmutable: isImmutable)
        }
    }

    /// What a path leads to, fetched where it is not here.
    func entry(_ root: CID, _ names: [String]) async throws -> ContentEntry {
        try await within(limits.resolveSeconds, status: .gatewayTimeout) { [node] in
            try await Self.entry(root, names, node, isOnlyHere: false)
        }
    }

    /// What a path leads to, with enough of it here to tell.
    private static func entry(
        _ root: CID, _ names: [String], _ node: NodeHandle, isOnlyHere: Bool
    ) async throws -> ContentEntry {
        do {
            return try await node.entry(root, path: names)
        } catch ContentFailure.missing, ContentFailure.store(.notFound),
            ContentFailure.store(.corrupt)
        {
            guard !isOnlyHere else {
                throw GatewayError(
                    .preconditionFailed, "not_cached", "\(root) is not held by this node")
            }
            for try await _ in node.fetch(FetchOptions(root: root, path: names, scope: .listing)) {}
            return try await node.entry(root, path: names)
        }
    }

    private func within<T: Sendable>(
        _ seconds: Int64, status: HTTPResponse.Status,
        _ work: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        do {
            return try await AROGateway.within(seconds, "", work)
        } catch let error as GatewayError where error.code == "timeout" {
            throw GatewayError(
                status, "content_timeout",
                "nothing of this content came within \(seconds) s; a new try goes on from what came"
            )
        }
    }

    // MARK: Forms

    /// What all answers about content have in common. Nil where the client has it already.
    func headers(_ found: Found, tag: String) -> HTTPFields {
        var headers = HTTPFields()
        headers[.eTag] = tag
        headers[.cacheControl] =
            found.isImmutable ? "public, max-age=29030400, immutable" : "public, max-age=60"
        return headers
    }

    func isKnown(_ request: Request, _ tag: String) -> Bool {
        guard let header = request.headers[.ifNoneMatch] else { return false }
        func strong(_ text: Substring) -> Substring {
            text.hasPrefix("W/") ? text.dropFirst(2) : text
        }
        return header.split(separator: ",").contains { given in
            let given = given.drop { $0 == " " }.prefix { $0 != " " }
            return given == "*" || strong(given) == strong(tag[...])
        }
    }

    private func block(_ found: Found, _ request: Request) async throws -> Response {
        guard found.names.isEmpty else {
            throw GatewayError(
                .badRequest, "path_with_raw", "a block has no path: ask for its own CID")
        }
        let tag = "\"\(found.root).raw\""
        var headers = headers(found, tag: tag)
        guard !isKnown(request, tag) else {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = "application/vnd.ipld.raw"
        headers[.contentDisposition] = "attachment; filename=\"\(found.root).bin\""
        let bytes = try await node.block(found.root)
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private func car(
        _ found: Found, _ options: CarOptions, _ target: Target, _ request: Request
    ) async throws -> Response {
        let wish = "\(target.parts)|\(options)"
        let digest = Hex.encode(SHA256Digest.of(Array(wish.utf8)).bytes).prefix(16)
        let tag = "W/\"\(options.scope).\(found.entry.cid).car.\(digest)\""
        var headers = headers(found, tag: tag)
        guard !isKnown(request, tag) else {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = options.mediaType
        headers[.contentDisposition] = "attachment; filename=\"\(found.entry.cid).car\""
        let (scope, fetch) = try plan(found, options)
        let walk = BlockWalk(root: found.root, path: found.names, scope: scope)
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { [node] writer in
                let out = BodySink(writer)
                try await out.write(CarFile.header(root: found.entry.cid.bytes))
                try await node.streamBlocks(fetch, walk, repeats: options.repeats) { cid, bytes in
                    try await out.write(CarFile.prefix(cid, byteCount: bytes.count), bytes)
                }
                try await out.finish()
            })
    }

    /// What is walked, and what is fetched for it.
    private func plan(
        _ found: Found, _ options: CarOptions
    ) throws -> (BlockWalk.Scope, FetchOptions) {
        var fetch = FetchOptions(root: found.root, path: found.names, scope: .listing)
        let isFile = found.entry.kind == .file
        switch options.scope {
        case .block: return (.block, fetch)
        case .all:
            fetch.scope = .all
            return (.all, fetch)
        case .entity where !isFile: return (.entity(nil), fetch)
        case .entity:
            guard let bytes = options.bytes, let count = found.entry.byteCount else {
                fetch.scope = .all
                return (.entity(nil), fetch)
            }
            switch bytes.part(of: count) {
            case .outside:
                throw GatewayError(
                    .badRequest, "range_outside", "the file has \(count) bytes")
            case .empty: return (.block, fetch)
            case .range(let range):
                (fetch.scope, fetch.range) = (.all, range)
                return (.entity(range), fetch)
            }
        }
    }
}

/// Where the bytes of an answer go; waits while the client is slow.
final class BodySink: @unchecked Sendable {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    func write(_ bytes: some Sequence<UInt8>) async throws {
        try await write(ByteBuffer(bytes: bytes))
    }

    func write(_ prefix: [UInt8], _ bytes: [UInt8]) async throws {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(prefix.count + bytes.count)
        buffer.writeBytes(prefix)
        buffer.writeBytes(bytes)
        try await write(buffer)
    }

    private func write(_ buffer: ByteBuffer) async throws {
        try Task.checkCancellation()
        guard buffer.readableBytes > 0 else { return }
        try await writer.write(buffer)
    }

    func finish() async throws { try await writer.finish(nil) }
}
