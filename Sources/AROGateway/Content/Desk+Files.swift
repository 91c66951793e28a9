/// Content as browsers and `curl` want it: the bytes of files with ranges, listings of directories.

import AROContent
import AROPrimitives
import AROBackend
import ARORuntime
import AROWire
import HTTPTypes
import HummingbirdCore
import NIOCore

extension Desk {
    /// Files by anybody are shown under the gateway's own origin: so they may run and send nothing.
    static let sandbox = """
        sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; \
        style-src 'self' 'unsafe-inline'; font-src 'self' data:
        """

    func plain(
        _ found: Found, _ target: Target, _ request: Request, asJSON: Bool
    ) async throws -> Response {
        switch found.entry.kind {
        case .file: return try await file(found, target, request)
        case .directory: return try await directory(found, target, request, asJSON: asJSON)
        case .symlink:
            var response = Response(text: found.entry.target ?? "", type: "inode/symlink")
            let tag = "\"\(found.entry.cid)\""
            for field in headers(found, tag: tag) { response.headers[field.name] = field.value }
            return response
        case .unknown: throw GatewayError(ContentFailure.missing(found.entry.cid))
        }
    }

    // MARK: Files

    private func file(_ found: Found, _ target: Target, _ request: Request) async throws -> Response
    {
        let cid = found.entry.cid
        let count = found.entry.byteCount ?? 0
        let tag = "\"\(cid)\""
        var headers = headers(found, tag: tag)
        headers[.acceptRanges] = "bytes"
        headers[.contentSecurityPolicy] = Self.sandbox
        guard !isKnown(request, tag) else {
            return Response(status: .notModified, headers: headers)
        }
        let name = target.query["filename"] ?? found.names.last
        headers[.contentType] = try await mediaType(found, name)
        headers[.contentDisposition] = Self.disposition(
            name, isDownload: target.query["download"] == "true")
        let wish =
            request.method == .get && isCurrent(request.headers[.init("If-Range")!], tag)
            ? ByteRange.wish(request.headers[.range], fileBytes: count) : .all
        switch wish {
        case .outside:
            var error = GatewayError(
                .rangeNotSatisfiable, "range_outside", "the file has \(count) bytes")
            error.headers[.contentRange] = "bytes */\(count)"
            throw error
        case .part(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(count)"
            return Response(
                status: .partialContent, headers: headers, body: body(found, range, of: count))
        case .all:
            headers[.contentLength] = "\(count)"
            return Response(
                status: .ok, headers: headers, body: body(found, 0..<count, of: count))
        }
    }

    /// Whether the condition of a range holds: only for the very same bytes (RFC 9110 §13.1.5).
    private func isCurrent(_ condition: String?, _ tag: String) -> Bool {
        condition.map { $0 == tag } ?? true
    }

    /// Fetched by root and path, as it is the root that providers are known for.
    private func body(_ found: Found, _ range: Range<UInt64>, of count: UInt64) -> ResponseBody {
        guard !range.isEmpty else { return ResponseBody(byteBuffer: ByteBuffer()) }
        let options = FetchOptions(
            root: found.root, path: found.names, range: range == 0..<count ? nil : range)
        return ResponseBody(contentLength: Int(clamping: range.count)) { [node] writer in
            let out = BodySink(writer)
            try await node.stream(options) { step in
                if case .bytes(let bytes, _) = step { try await out.write(bytes) }
            }
            try await out.finish()
        }
    }

    private func mediaType(_ found: Found, _ name: String?) async throws -> String {
        if let type = name.flatMap(MediaType.named) { return type }
        let start = Bytes()
        let options = FetchOptions(
            root: found.root, path: found.names, range: 0..<MediaType.sniffedBytes)
        do {
            try await within(limits.resolveSeconds, "the content did not come in time") { [node] in
                try await node.stream(options) { step in
                    if case .bytes(let bytes, _) = step { start.append(bytes) }
                }
            }
        } catch FetchFailure.rangeOutside {
            // An empty file.
        }
        return MediaType.sniff(start.bytes)
    }

    /// RFC 6266, with the name in UTF-8 (RFC 8187).
    private static func disposition(_ name: String?, isDownload: Bool) -> String? {
        guard name != nil || isDownload else { return nil }
        let kind = isDownload ? "attachment" : "inline"
        guard let name, !name.isEmpty else { return kind }
        return "\(kind); filename*=UTF-8''\(Target.encode(String(name.prefix(255))))"
    }

    // MARK: Directories

    private func directory(
        _ found: Found, _ target: Target, _ request: Request, asJSON: Bool
    ) async throws -> Response {
        let entries = try await node.list(found.entry.cid)
        let index = entries.first { $0.name == "index.html" && $0.kind != .directory }
        if asJSON { return listing(found, entries, request) }
        guard target.endsWithSlash else {
            // So that links of the page mean what is in the directory.
            let query = (request.head.path ?? "").split(separator: "?", maxSplits: 1).dropFirst()
            var headers = headers(found, tag: "\"\(found.entry.cid)\"")
            headers[.location] = target.rawPath + "/" + query.map { "?\($0)" }.joined()
            return Response(status: .movedPermanently, headers: headers)
        }
        guard let index else { return page(found, entries, request) }
        var below = found
        below.names.append("index.html")
        below.entry = index
        if index.kind == .unknown {
            let options = FetchOptions(root: below.root, path: below.names, scope: .listing)
            for try await _ in node.fetch(options) {}
            below.entry = try await node.entry(index.cid)
        }
        return try await file(below, target, request)
    }

    private func listing(
        _ found: Found, _ entries: [ContentEntry], _ request: Request
    ) -> Response {
        let tag = "W/\"DirJSON-1-\(found.entry.cid)\""
        let headers = headers(found, tag: tag)
        guard !isKnown(request, tag) else {
            return Response(status: .notModified, headers: headers)
        }
        let rows = entries.map(\.document)
        var response = Response(
            json: ["cid": .string("\(found.entry.cid)"), "entries": .array(rows)])
        for field in headers { response.headers[field.name] = field.value }
        return response
    }

    private func page(_ found: Found, _ entries: [ContentEntry], _ request: Request) -> Response {
        let tag = "W/\"DirIndex-1-\(found.entry.cid)\""
        var headers = headers(found, tag: tag)
        guard !isKnown(request, tag) else {
            return Response(status: .notModified, headers: headers)
        }
        // The page is ours and may look different with the next version.
        headers[.cacheControl] = "public, max-age=604800, stale-while-revalidate=2678400"
        headers[.contentSecurityPolicy] = "default-src 'none'; style-src 'unsafe-inline'"
        var response = Response(
            text: DirectoryPage(found, entries).html, type: "text/html; charset=utf-8")
        for field in headers { response.headers[field.name] = field.value }
        return response
    }
}

/// Bytes that gather; used by one task at a time.
final class Bytes: @unchecked Sendable {
    private(set) var bytes: [UInt8] = []

    func append(_ more: some Sequence<UInt8>) { bytes += more }
}
