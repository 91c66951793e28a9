/// The media type of a file: by its name's ending, else by how it begins.

enum MediaType {
    static let unknown = "application/octet-stream"

    /// Bytes that ``sniff(_:)`` looks at. The longest mark below is at byte 8.
    static let sniffedBytes: UInt64 = 512

    static func named(_ name: String) -> String? {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
        return byEnding[name[name.index(after: dot)...].lowercased()]
    }

    /// By the marks of common formats, and for what is readable text.
    static func sniff(_ bytes: [UInt8]) -> String {
        for (offset, mark, type) in marks
        where bytes.count >= offset + mark.count && bytes[offset...].starts(with: mark) {
            return type
        }
        return isText(bytes) ? "text/plain; charset=utf-8" : unknown
    }

    /// UTF-8, perhaps cut in a character, without control characters.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        let isClean = bytes.allSatisfy { $0 >= 0x20 || $0 == 9 || $0 == 10 || $0 == 12 || $0 == 13 }
        guard isClean else { return false }
        return (0...min(3, bytes.count)).contains {
            String(validating: bytes.dropLast($0), as: UTF8.self) != nil
        }
    }

    private static let marks: [(offset: Int, mark: [UInt8], type: String)] = [
        (0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], "image/png"),
        (0, [0xff, 0xd8, 0xff], "image/jpeg"),
        (0, Array("GIF8".utf8), "image/gif"),
        (8, Array("WEBP".utf8), "image/webp"),
        (8, Array("WAVE".utf8), "audio/wav"),
        (4, Array("ftyp".utf8), "video/mp4"),
        (0, [0x1a, 0x45, 0xdf, 0xa3], "video/webm"),
        (0, Array("OggS".utf8), "application/ogg"),
        (0, Array("ID3".utf8), "audio/mpeg"),
        (0, Array("%PDF-".utf8), "application/pdf"),
        (0, [0x50, 0x4b, 0x03, 0x04], "application/zip"),
        (0, [0x1f, 0x8b], "application/gzip"),
        (0, [0x28, 0xb5, 0x2f, 0xfd], "application/zstd"),
        (0, Array("\0asm".utf8), "application/wasm"),
    ]

    private static let byEnding: [String: String] = [
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
        "mjs": "text/javascript; charset=utf-8", "json": "application/json",
        "jsonl": "application/jsonl", "xml": "application/xml", "svg": "image/svg+xml",
        "txt": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8",
        "csv": "text/csv; charset=utf-8", "log": "text/plain; charset=utf-8",
        "yaml": "application/yaml", "yml": "application/yaml",
        "swift": "text/plain; charset=utf-8", "py": "text/plain; charset=utf-8",
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
        "webp": "image/webp", "avif": "image/avif", "ico": "image/x-icon", "bmp": "image/bmp",
        "mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm", "mov": "video/quicktime",
        "mkv": "video/x-matroska", "mp3": "audio/mpeg", "m4a": "audio/mp4", "ogg": "audio/ogg",
        "opus": "audio/ogg", "wav": "audio/wav", "flac": "audio/flac",
        "pdf": "application/pdf", "zip": "application/zip", "gz": "application/gzip",
        "tgz": "application/gzip", "zst": "application/zstd", "xz": "application/x-xz",
        "tar": "application/x-tar", "wasm": "application/wasm", "car": "application/vnd.ipld.car",
        "woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf",
    ]
}
