/// The order in which a fetch needs blocks: depth first from the root, so that a reader can stream a
/// file out while the rest is still coming, through the names of a path, and only where a range is.
///
/// The tree is unknown until its nodes arrive, so the walk is a *line*: the nodes that were met and
/// are not used up, in the order of the tree. A node that was needed but is not here yet leaves a gap
/// in the line, and the walk looks ahead behind it, within bounds. A node that was met before is skipped
/// with all below it: a few blocks can stand for endlessly many. Where decoded links would take too
/// much memory, the last node of the line is forgotten again and read from the disk when its turn comes.

import AROPrimitives
import AROWire

/// What a strange tree may cost us.
struct WalkLimits: Sendable {
    /// Blocks of one fetch, repeated ones counted each time: 16 TiB of 1 MiB leaves (a guess).
    var blocksMax = 1 << 24
    /// Links decoded and not used up (a guess: 10 MiB).
    var linksMax = 1 << 16
    /// Nodes remembered so that they are not walked twice (a guess: 5 MiB).
    var nodesSeenMax = 1 << 16
    /// Nodes needed and not here yet (a guess).
    var nodesAheadMax = 64
    /// Content below nodes that are needed and not here yet; two such nodes are always allowed.
    var bytesAheadMax: UInt64 = 64 << 20
}

/// Where something stands in the order of the tree: a node's children divide its span among them, so
/// that what is below an earlier node comes before a later one whenever either was met. Twelve levels
/// of 1,024 links use the span up; below that the order is the one of meeting.
struct WalkPosition {
    var start: UInt128 = 0
    var span: UInt128 = .max

    func child(_ index: Int, of count: Int) -> WalkPosition {
        let share = span / UInt128(count + 1)
        return WalkPosition(start: start + share * UInt128(index + 1), span: share)
    }
}

/// Something that the walk needs.
struct WalkNeed {
    var child: DagChild
    var position: WalkPosition
    /// The node's place in the line; nil for a leaf, which has no links to follow.
    var place: Int?
    /// The size that its parent promises; nil where nothing was promised.
    var byteCount: Int?
    /// File bytes that were asked for and lie in this very block; of a node this is known only later.
    var fileBytes: UInt64 = 0
    /// The node was here before and is needed again only for its links.
    var isAgain = false
}

struct Walk {
    enum Step {
        case need(WalkNeed)
        /// Nothing until a node arrives.
        case waiting
        /// Everything was needed once.
        case exhausted
    }

    /// A child that was not looked at yet.
    private struct Pending {
        var child: DagChild
        /// Of a part of the target file: the offset of its first byte. Else 0.
        var offset: UInt64 = 0
        /// File bytes below, as far as somebody says.
        var weight: UInt64 = 0
        /// A node of the sharded directory whose link led here, and no entry of it.
        var isPartOfDirectory = false
    }

    private struct Segment {
        enum State { case wanted, open, forgotten }
        var id: Int
        var node: Pending
        var position = WalkPosition()
        var state: State
        /// Children to come, the next one last.
        var rest: [Pending] = []
        /// Children used up, so that a forgotten node goes on where it was.
        var taken = 0
        /// All children, once known: what it would cost to open the node again.
        var linkCount: Int?
    }

    let limits: WalkLimits
    private let range: Range<UInt64>?
    private let isListing: Bool
    /// Names still to follow, the next one first; then the target is reached.
    private var path: ArraySlice<String>
    private let fullPath: [String]
    private let root: CID

    /// Where the path leads, once known.
    private(set) var target: CID?
    /// File bytes asked for, once known.
    private(set) var bytesWanted: UInt64?
    private var isTargetReached = false
    private var targetIsFile = false

    private var line: [Segment] = []
    private var lastID = 0
    private var linksHeld = 0
    private var nodesAhead = 0
    private var bytesAhead: UInt64 = 0
    private var blocksTaken = 0
    /// Nodes that were opened, each with the bytes of the file below it; 0 for directories.
    private var seen: [CID: UInt64] = [:]
    private var skippedBytes: UInt64 = 0

    init(_ options: FetchOptions, limits: WalkLimits = WalkLimits()) {
        self.limits = limits
        (root, range, fullPath) = (options.root, options.range, options.path)
        isListing = options.scope == .listing
        path = options.path[...]
        if path.isEmpty { target = root }
        lastID = 1
        line = [Segment(id: 1, node: Pending(child: .root(root)), state: .forgotten)]
    }

    var isExhausted: Bool { line.isEmpty }
}

// MARK: - Going ahead

extension Walk {
    /// The next block that is needed, in the order of the tree.
    mutating func next() throws(FetchFailure) -> Step {
        var i = 0
        while i < line.count {
            switch line[i].state {
            case .wanted: i += 1
            case .forgotten:
                guard mayLookAhead(line[i].node.weight), mayReopen(i) else { return .waiting }
                return .need(want(i))
            case .open:
                guard let pending = line[i].rest.last else {
                    line.remove(at: i)
                    continue
                }
                if try skip(pending) {
                    _ = try take(i)
                    continue
                }
                let isLeaf = pending.child.cid.codec == .raw
                guard isLeaf || mayLookAhead(pending.weight) else { return .waiting }
                let position = try take(i)
                return .need(
                    isLeaf ? leaf(pending, position) : node(pending, position, before: i))
            }
        }
        return line.isEmpty ? .exhausted : .waiting
    }

    /// Whether all below was met before, or will be. Of a range each place counts for itself.
    private mutating func skip(_ pending: Pending) throws(FetchFailure) -> Bool {
        guard targetRange == nil, let known = seen[pending.child.cid] else { return false }
        if case .filePart(let promised, _) = pending.child.role, promised != known {
            throw .malformed(pending.child.cid, "\(DagFailure.sizes)")
        }
        skippedBytes = skippedBytes.clampedSum(known)
        return true
    }

    /// File bytes below nodes that were skipped since the last call.
    mutating func takeSkippedBytes() -> UInt64 {
        defer { skippedBytes = 0 }
        return skippedBytes
    }

    private func mayLookAhead(_ weight: UInt64) -> Bool {
        if nodesAhead < 2 { return true }
        let (sum, overflow) = bytesAhead.addingReportingOverflow(weight)
        return nodesAhead < limits.nodesAheadMax && !overflow && sum <= limits.bytesAheadMax
    }

    /// A forgotten node that would be forgotten again at once stays so until its turn comes.
    private func mayReopen(_ i: Int) -> Bool {
        i == 0 || linksHeld + (line[i].linkCount ?? 0) <= limits.linksMax
    }

    private mutating func take(_ i: Int) throws(FetchFailure) -> WalkPosition {
        let position = line[i].position.child(line[i].taken, of: line[i].linkCount ?? 0)
        line[i].rest.removeLast()
        line[i].taken += 1
        linksHeld -= 1
        blocksTaken += 1
        guard blocksTaken <= limits.blocksMax else {
            throw .malformed(root, "more than \(limits.blocksMax) blocks")
        }
        return position
    }

    private func leaf(_ pending: Pending, _ position: WalkPosition) -> WalkNeed {
        guard case .filePart(let count, _) = pending.child.role else {
            return WalkNeed(child: pending.child, position: position, fileBytes: pending.weight)
        }
        return WalkNeed(
            child: pending.child, position: position, byteCount: Int(clamping: count),
            fileBytes: overlap(pending.offset, count))
    }

    private mutating func node(
        _ pending: Pending, _ position: WalkPosition, before i: Int
    ) -> WalkNeed {
        lastID += 1
        let segment = Segment(id: lastID, node: pending, position: position, state: .wanted)
        line.insert(segment, at: i)
        return want(i)
    }

    private mutating func want(_ i: Int) -> WalkNeed {
        line[i].state = .wanted
        nodesAhead += 1
        bytesAhead = bytesAhead.addingReportingOverflow(line[i].node.weight).partialValue
        return WalkNeed(
            child: line[i].node.child, position: line[i].position, place: line[i].id,
            isAgain: line[i].linkCount != nil)
    }

    /// How many bytes of a part were asked for.
    private func overlap(_ offset: UInt64, _ count: UInt64) -> UInt64 {
        guard let wanted = targetRange else { return count }
        let low = max(offset, wanted.lowerBound)
        let high = min(offset + count, wanted.upperBound)
        return high > low ? high - low : 0
    }

    private var targetRange: Range<UInt64>? { targetIsFile ? range : nil }
}

// MARK: - Nodes arriving

extension Walk {
    /// A needed node is here. Returns the asked-for file bytes that stand in its own block.
    mutating func nodeArrived(_ place: Int, _ block: RawSpan) throws(FetchFailure) -> UInt64 {
        guard let i = line.firstIndex(where: { $0.id == place }), line[i].state == .wanted else {
            preconditionFailure("a node arrived that the walk did not want")
        }
        nodesAhead -= 1
        bytesAhead = bytesAhead.subtractingReportingOverflow(line[i].node.weight).partialValue
        let child = line[i].node.child
        let node: DagNode
        do throws(DagFailure) {
            node = try DagNode(child.cid, block, as: child.role)
        } catch {
            throw .malformed(child.cid, "\(error)")
        }
        if let name = path.first {
            try follow(name, from: node)
            return 0
        }
        if !isTargetReached { try reachTarget(node) }
        return open(i, node)
    }

    /// One step along the path: the line is then the next node alone.
    private mutating func follow(_ name: String, from node: DagNode) throws(FetchFailure) {
        let child: DagChild
        switch node {
        case .directory(let directory):
            guard let entry = directory.entry(named: name) else {
                throw .pathNotFound(walked(1))
            }
            child = directory.child(entry)
            path.removeFirst()
        case .shard(let shard):
            guard let link = shard.link(toward: name) else { throw .pathNotFound(walked(1)) }
            child = shard.child(link)
            if case .entry = link.target { path.removeFirst() }
        case .file, .symlink: throw .notADirectory(walked(0))
        }
        if !path.isEmpty, child.cid.codec == .raw { throw .notADirectory(walked(0)) }
        if path.isEmpty { target = child.cid }
        lastID += 1
        line = [Segment(id: lastID, node: Pending(child: child), state: .forgotten)]
    }

    /// The path as far as it was followed, and `more` names of what is left.
    private func walked(_ more: Int) -> String {
        let names = fullPath.prefix(fullPath.count - path.count + more)
        return names.isEmpty ? "\(root)" : names.joined(separator: "/")
    }

    private mutating func reachTarget(_ node: DagNode) throws(FetchFailure) {
        isTargetReached = true
        guard case .file(let file) = node else {
            guard range == nil else { throw .rangeOfDirectory }
            return
        }
        targetIsFile = true
        guard !isListing else { return }
        bytesWanted =
            try range.map { range throws(FetchFailure) in
                try range.within(file).count64
            } ?? file.byteCount
    }

    private mutating func open(_ i: Int, _ node: DagNode) -> UInt64 {
        let parent = line[i].node
        var rest: [Pending] = []
        var ownBytes: UInt64 = 0
        switch node {
        case .file(let file):
            ownBytes = overlap(parent.offset, UInt64(file.data.count))
            rest = parts(of: file, at: parent.offset)
        case .directory(let directory):
            rest = directory.entries.map {
                Pending(child: directory.child($0), weight: $0.treeByteCount)
            }
        case .shard(let shard): rest = entries(of: shard)
        case .symlink: break
        }
        if isListing { rest.removeAll { !$0.isPartOfDirectory } }
        if line[i].linkCount != nil { ownBytes = 0 }
        if seen.count < limits.nodesSeenMax { seen[parent.child.cid] = node.fileByteCount ?? 0 }
        line[i].state = .open
        line[i].linkCount = rest.count
        line[i].rest = rest.dropFirst(line[i].taken).reversed()
        linksHeld += line[i].rest.count
        forgetBeyondLimit()
        return ownBytes
    }

    private func parts(of file: FileNode, at offset: UInt64) -> [Pending] {
        let all = 0..<file.byteCount
        let wanted = targetRange.map { range in
            let low = range.lowerBound > offset ? range.lowerBound - offset : 0
            let high = range.upperBound > offset ? range.upperBound - offset : 0
            return (low..<max(low, high)).clamped(to: all)
        }
        return file.links(covering: wanted ?? all).map {
            Pending(
                child: file.child($0.link), offset: offset + $0.offset, weight: $0.link.byteCount)
        }
    }

    private func entries(of shard: ShardNode) -> [Pending] {
        shard.links.map {
            if case .entry(let entry) = $0.target {
                return Pending(child: shard.child($0), weight: entry.treeByteCount)
            }
            return Pending(child: shard.child($0), isPartOfDirectory: true)
        }
    }

    /// Forgets nodes from the end of the line, but never the first one.
    private mutating func forgetBeyondLimit() {
        for i in line.indices.dropFirst().reversed() where linksHeld > limits.linksMax {
            guard line[i].state == .open else { continue }
            linksHeld -= line[i].rest.count
            line[i].rest = []
            line[i].state = .forgotten
        }
    }
}

extension Range<UInt64> {
    fileprivate var count64: UInt64 { upperBound - lowerBound }
}
