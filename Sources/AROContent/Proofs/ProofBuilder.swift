/// Makes a proof out of the blocks of a tree: for what a path names, or for the chunk of a file
/// that holds a certain byte.

import AROPrimitives
import AROWire

public enum ProofStep: Sendable {
    /// Hand the block to ``ProofBuilder/blockArrived(_:)``; until then this step repeats.
    case needBlock(CID)
    case finished(Proof)
    case failed(FetchFailure)
}

public struct ProofBuilder: Sendable {
    private enum State {
        case walking(DagChild)
        case finished
        case failed(FetchFailure)
    }

    private var state: State
    private var proof: Proof
    private var names: ArraySlice<String>
    /// The byte wanted, counted from the first byte of the current node.
    private var offset: UInt64?

    /// - Parameters:
    ///   - path: names to follow from the attested root.
    ///   - offset: a byte of the file; the proof is then for the one leaf that holds it. Nil: the
    ///     proof is for all that the path names.
    public init(attestation: Attestation, path: [String] = [], offset: UInt64? = nil) {
        proof = Proof(attestation: attestation)
        names = path[...]
        self.offset = offset
        let isWhole = path.isEmpty && offset == nil
        state = isWhole ? .finished : .walking(.root(attestation.root))
    }

    public func next() -> ProofStep {
        switch state {
        case .walking(let child): .needBlock(child.cid)
        case .finished: .finished(proof)
        case .failed(let failure): .failed(failure)
        }
    }

    /// Brings the block that ``next()`` asked for; its hash was checked.
    public mutating func blockArrived(_ block: [UInt8]) {
        guard case .walking(let child) = state else { return }
        do throws(FetchFailure) {
            guard let (index, below) = try step(child.decode(block.span.bytes), child) else {
                state = .finished
                return
            }
            proof.steps.append(Proof.Step(index: index, block: block))
            let isLast = names.isEmpty && offset == nil && !below.isShard || below.isRawPart
            state = isLast ? .finished : .walking(below)
        } catch { state = .failed(error) }
    }

    /// The link to follow next; nil at the end of the way.
    private mutating func step(
        _ node: DagNode, _ child: DagChild
    ) throws(FetchFailure) -> (Int, DagChild)? {
        switch node {
        case .file(let file):
            if let name = names.first { throw .notADirectory(name) }
            return try part(file, child)
        case .directory(let directory):
            guard let name = names.popFirst() else { throw .rangeOfDirectory }
            guard let entry = directory.entry(named: name),
                let index = directory.entries.firstIndex(of: entry)
            else { throw .pathNotFound(name) }
            return (index, directory.child(entry))
        case .shard(let shard):
            guard let name = names.first else { throw .rangeOfDirectory }
            guard let link = shard.link(toward: name), let index = shard.links.firstIndex(of: link)
            else { throw .pathNotFound(name) }
            if link.entry != nil { names.removeFirst() }
            return (index, shard.child(link))
        case .symlink:
            if let name = names.first { throw .notADirectory(name) }
            throw .rangeOfDirectory
        }
    }

    private mutating func part(
        _ file: FileNode, _ child: DagChild
    ) throws(FetchFailure) -> (Int, DagChild)? {
        guard let offset else { return nil }
        guard offset < file.byteCount else { throw .rangeOutside(fileBytes: file.byteCount) }
        // A byte inside an inner node has no leaf of its own: the proof ends at the node.
        guard offset >= UInt64(file.data.count), !file.links.isEmpty else { return nil }
        for index in file.links.indices {
            let range = file.range(ofLink: index, from: 0)
            guard range.contains(offset) else { continue }
            self.offset = offset - range.lowerBound
            return (index, file.child(file.links[index]))
        }
        return nil
    }
}

extension DagChild {
    fileprivate var isShard: Bool {
        if case .shard = role { true } else { false }
    }

    /// A leaf that need not be read: its parent says how many bytes it has.
    fileprivate var isRawPart: Bool {
        if case .filePart = role { cid.codec == .raw } else { false }
    }
}
