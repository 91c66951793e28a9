/// What the content layer asks of the disk, and what the disk answers. The node itself never touches
/// a file: the driver carries requests to a store and brings the replies back, in any order.

import AROPrimitives
import AROWire

/// Pairs a reply with its request. Chosen by the node, opaque to the disk. Those of ``Exchange`` have
/// the top bit clear.
public struct DiskToken: Hashable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
}

public enum DiskRequest: Sendable {
    /// Read a block and check its hash. Answered by ``DiskReply/block(_:_:)``.
    case read(CID, DiskToken)
    /// Store a block whose hash was checked already; success means that it survives a crash. Answered
    /// by ``DiskReply/stored(_:_:)``, with success too where the block is held already.
    case write(CID, [UInt8], DiskToken)
    /// Which of these blocks are held; at most 1,024. Answered by ``DiskReply/contains(_:_:)``.
    case contains([CID], DiskToken)
    /// The attestations held for a root. Answered by ``DiskReply/attestations(_:_:)``.
    case readAttestations(CID, DiskToken)
    /// Keep an attestation whose signature was checked already; not answered.
    // Rare, and four times as large as any other.
    indirect case writeAttestation(Attestation)
}

public enum DiskReply: Sendable {
    case block(DiskToken, Result<[UInt8], DiskFailure>)
    case stored(DiskToken, Result<Void, DiskFailure>)
    case contains(DiskToken, [Bool])
    case attestations(DiskToken, [Attestation])
}

public enum DiskFailure: Error, Hashable, Sendable {
    case notFound
    /// What lies on the disk does not match its name. The block was set aside: it is not held any
    /// more, and may be written again.
    case corrupt
    /// The disk or the quota is full.
    case full
    /// Any other failure, with the system's words.
    case failed(String)
}
