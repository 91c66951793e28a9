/// The page that lists a directory.

import ARORuntime

struct DirectoryPage {
    private let found: Found
    private let entries: [ContentEntry]

    init(_ found: Found, _ entries: [ContentEntry]) {
        (self.found, self.entries) = (found, entries)
    }

    var html: String {
        let title = HTML.escape(found.names.last ?? "\(found.root)")
        var rows = ""
        if !found.names.isEmpty { rows += "<tr><td><a href=\"../\">..</a></td><td></td></tr>\n" }
        for entry in entries {
            let slash = entry.kind == .directory ? "/" : ""
            let link = "./\(Target.encode(entry.name))\(slash)"
            let size = entry.byteCount.map { HTML.bytes($0) } ?? ""
            rows += """
                <tr><td><a href="\(link)">\(HTML.escape(entry.name))\(slash)</a></td>\
                <td>\(size)</td></tr>\n
                """
        }
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(title)</title>
            <style>
            body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; \
            padding: 0 1rem; color: #1a1a1a; background: #fff }
            code { font-size: .8rem; overflow-wrap: anywhere; color: #666 }
            table { border-collapse: collapse; width: 100% }
            td { border-top: 1px solid #ddd; padding: .4rem 0; overflow-wrap: anywhere }
            td:last-child { text-align: right; white-space: nowrap; padding-left: 1rem }
            @media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #161616 } \
            a { color: #8ab4f8 } td { border-color: #333 } }
            </style></head>
            <body><h1>\(title)</h1><p><code>\(found.entry.cid)</code></p>
            <table>
            \(rows)</table></body></html>

            """
    }
}

enum HTML {
    static func escape(_ text: String) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }

    static func bytes(_ count: UInt64) -> String {
        guard count >= 1_024 else { return "\(count) B" }
        var value = Double(count)
        var unit = 0
        while value >= 1_024, unit < 5 {
            value /= 1_024
            unit += 1
        }
        let tenths = (value * 10).rounded() / 10
        return "\(tenths) \(["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit])"
    }
}
