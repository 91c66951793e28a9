/// Ranges of bytes as clients write them: HTTP's `Range` (RFC 9110 §14) and the trustless gateway's
/// `entity-bytes`.

enum ByteRange {
    /// What a `Range` header asks of a file.
    enum Wish: Hashable {
        /// There is no range, or one that is to be ignored: malformed, of another unit, or several.
        case all
        case part(Range<UInt64>)
        /// Nothing of it lies in the file.
        case outside
    }

    static func wish(_ header: String?, fileBytes: UInt64) -> Wish {
        guard let header, let text = value(of: header), !text.contains(",") else { return .all }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .all }
        switch (number(ends[0]), number(ends[1])) {
        case (let first?, let last?):
            guard first <= last else { return .all }
            guard first < fileBytes else { return .outside }
            return .part(first..<min(last, fileBytes - 1) + 1)
        case (let first?, nil) where ends[1].isEmpty:
            return first < fileBytes ? .part(first..<fileBytes) : .outside
        case (nil, let count?) where ends[0].isEmpty:
            guard count > 0, fileBytes > 0 else { return .outside }
            return .part(fileBytes - min(count, fileBytes)..<fileBytes)
        default: return .all
        }
    }

    private static func value(of header: String) -> Substring? {
        let sides = header.split(separator: "=", maxSplits: 1)
        guard sides.count == 2, sides[0].lowercased() == "bytes" else { return nil }
        let text = sides[1].drop { $0 == " " }
        return text
    }

    private static func number(_ text: Substring) -> UInt64? {
        let digits = text.filter { $0 != " " }
        guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
        // A number too large for 64 bits lies beyond every file.
        return UInt64(digits) ?? .max
    }
}

/// `entity-bytes=from:to`: both ends included, negative ones counted from the end, `*` for the end.
struct EntityBytes: Hashable {
    private var from: Int64
    /// nil for the end of the file.
    private var to: Int64?

    init?(_ text: String) {
        let ends = text.split(separator: ":", omittingEmptySubsequences: false)
        guard ends.count == 2, let from = Int64(ends[0]) else { return nil }
        self.from = from
        if ends[1] != "*" {
            guard let to = Int64(ends[1]) else { return nil }
            self.to = to
        }
    }

    enum Part: Hashable {
        case range(Range<UInt64>)
        /// The range holds no byte: its ends cross.
        case empty
        /// It begins behind the file's end, or ends before its start.
        case outside
    }

    func part(of fileBytes: UInt64) -> Part {
        guard let count = Int64(exactly: fileBytes) else { return .empty }
        let first = from < 0 ? max(0, count + max(from, -count)) : from
        let last =
            switch to {
            case nil: count - 1
            case let to? where to < 0: count + max(to, -count - 1)
            case let to?: min(to, count - 1)
            }
        if from >= 0, from >= count, count > 0 { return .outside }
        guard first <= last else { return .empty }
        return .range(UInt64(first)..<UInt64(last) + 1)
    }
}
