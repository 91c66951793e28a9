/// Proofs that some bytes belong to what a publisher signed: an attestation and the blocks from its
/// root down to the bytes. A chunk with its proof is a *signed chunk*: it verifies alone, offline,
/// whoever served it.
///
/// The file, big-endian, lengths by RFC 9000 §16: magic `ARO proof` and a zero byte, version (1),
/// the attestation, the number of steps, then for each step the index of the link that is followed
/// and the block. No steps: the proof is for all that the root names. Steps through directories
/// prove a file inside, steps through a file's nodes prove one part of it.

import AROPrimitives
import AROCrypto
import AROWire

public struct Proof: Hashable, Sendable {
    /// A block and the link that the proof follows in it.
    public struct Step: Hashable, Sendable {
        public var index: Int
        public var block: [UInt8]

        public init(index: Int, block: [UInt8]) { (self.index, self.block) = (index, block) }
    }

    public var attestation: Attestation
    public var steps: [Step]

    /// The longest way: directories as deep as they may nest, then the levels of a file.
    public static let stepsMax = DagLimits.directoryDepthMax + DagLimits.fileDepthMax
    /// The largest proof file that is read. A chunk of a 1 TiB file needs 0.2 MB; this is a guess.
    public static let byteCountMax = 32 << 20

    public init(attestation: Attestation, steps: [Step] = []) {
        (self.attestation, self.steps) = (attestation, steps)
    }

    private static let magic = Array("ARO proof".utf8) + [0]
    private static let version: UInt8 = 1
}

/// Why a proof proves nothing.
public enum ProofFailure: Error, Hashable, Sendable {
    case decoding(DecodingFailure)
    case attestation(AttestationFailure)
    /// A block on the way that is not the one that its parent names; counted from the root.
    case wrongBlock(step: Int)
    /// A link that the block does not have.
    case noSuchLink(step: Int)
    case malformed(CID, DagFailure)
}

/// What a proof proves: who says what about which bytes.
public struct ProvenTarget: Hashable, Sendable {
    /// Whom to believe: it signed the root.
    public var publisher: PeerID
    public var root: CID
    /// The names from the root to the file.
    public var path: [String]
    /// What the bytes must hash to.
    public var cid: CID
    /// The bytes of the file that ``cid`` stands for; nil where the proof ends at a file's or a
    /// directory's own root.
    public var range: Range<UInt64>?
    /// The bytes of the file that ``range`` is a part of.
    public var fileByteCount: UInt64?
}

extension Proof {
    /// Checks the signature and every step. What is left to do is to check the bytes themselves
    /// against the target: see ``ProvenBytes``.
    public func verify() throws(ProofFailure) -> ProvenTarget {
        do throws(AttestationFailure) {
            try attestation.verify()
        } catch { throw .attestation(error) }
        var target = ProvenTarget(
            publisher: attestation.publisher, root: attestation.root, path: [],
            cid: attestation.root, range: nil, fileByteCount: nil)
        var child = DagChild.root(attestation.root)
        for (number, step) in steps.enumerated() {
            child = try Self.follow(step, number, from: child, &target)
        }
        target.cid = child.cid
        return target
    }

    private static func follow(
        _ step: Step, _ number: Int, from child: DagChild, _ target: inout ProvenTarget
    ) throws(ProofFailure) -> DagChild {
        let block = step.block.span.bytes
        guard block.byteCount <= WireLimits.blockMax, child.cid.matches(block) else {
            throw .wrongBlock(step: number)
        }
        let node: DagNode
        do throws(DagFailure) {
            node = try DagNode(child.cid, block, as: child.role)
        } catch { throw .malformed(child.cid, error) }
        switch node {
        case .file(let file) where file.links.indices.contains(step.index):
            let start = target.range?.lowerBound ?? 0
            target.fileByteCount = target.fileByteCount ?? file.byteCount
            target.range = file.range(ofLink: step.index, from: start)
            return file.child(file.links[step.index])
        case .directory(let directory) where directory.entries.indices.contains(step.index):
            let entry = directory.entries[step.index]
            target.path.append(entry.name)
            return directory.child(entry)
        case .shard(let shard) where shard.links.indices.contains(step.index):
            let link = shard.links[step.index]
            if let entry = link.entry { target.path.append(entry.name) }
            return shard.child(link)
        case .file, .directory, .shard, .symlink: throw .noSuchLink(step: number)
        }
    }
}

extension FileNode {
    /// The bytes below a link, where the node's first byte is at `start` of the file.
    func range(ofLink index: Int, from start: UInt64) -> Range<UInt64> {
        let before = links[..<index].reduce(start + UInt64(data.count)) { $0 + $1.byteCount }
        return before..<before + links[index].byteCount
    }
}

extension Proof {
    /// The bytes of the proof file.
    public var bytes: [UInt8] {
        var out = Self.magic
        out.append(Self.version)
        out += attestation.bytes
        out.appendVarint(steps.count)
        for step in steps {
            out.appendVarint(step.index)
            out.appendLengthPrefixed(step.block)
        }
        return out
    }

    /// Reads a proof file, all of it; nothing is checked yet: see ``verify()``.
    public init(bytes: [UInt8]) throws(ProofFailure) {
        do throws(DecodingFailure) {
            self = try Self.read(bytes)
        } catch { throw .decoding(error) }
    }

    private static func read(_ bytes: [UInt8]) throws(DecodingFailure) -> Proof {
        guard bytes.count <= byteCountMax else { throw .outOfBounds }
        var reader = ByteReader(bytes.span.bytes)
        guard try reader.bytes(magic.count) == magic, try reader.u8() == version else {
            throw .unknown
        }
        var proof = Proof(attestation: try reader.attestation())
        for _ in 0..<(try reader.varint(atMost: stepsMax)) {
            let index = try reader.varint(atMost: WireLimits.blockMax)
            let block = try reader.lengthPrefixed(atMost: WireLimits.blockMax)
            proof.steps.append(Step(index: index, block: block))
        }
        try reader.finish()
        return proof
    }
}

extension ProofFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .decoding(.unknown): "not a proof, or one of a later version"
        case .decoding(let failure): "a damaged proof (\(failure))"
        case .attestation(.signature): "the publisher's signature is wrong"
        case .attestation(let failure): "a malformed attestation (\(failure))"
        case .wrongBlock(let step):
            "block \(step) of the proof is not the one that its parent names"
        case .noSuchLink(let step): "block \(step) of the proof does not have the link it follows"
        case .malformed(let cid, let failure): "\(cid): \(failure)"
        }
    }
}
