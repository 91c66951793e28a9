/// Files on simulated disks: imported and read by the code that imports and reads real ones.

import AROContent
import AROPrimitives
import AROWire

extension World where Resident: ~Copyable {
    /// Puts a file onto a node's disk, in the blocks of the profile unixfs-v1-2025.
    public mutating func store(
        file: [UInt8], on node: Int, profile: ImportProfile = .unixFS2025
    ) -> CID {
        var importer = FileImporter(profile: profile)
        importer.append(file.span.bytes)
        while let block = importer.nextBlock() { store(block.bytes, as: block.cid, on: node) }
        let root = importer.finish()
        while let block = importer.nextBlock() { store(block.bytes, as: block.cid, on: node) }
        return root.cid
    }

    /// The bytes of a file that lies whole on a node's disk; nil where a block is missing, corrupt
    /// or no part of a file. Every block is checked against its name.
    public func file(_ root: CID, on node: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var left = [DagChild.root(root)]
        while let next = left.popLast() {
            guard let block = block(next.cid, on: node), next.cid.matches(block.span.bytes),
                let decoded = try? DagNode(next.cid, block.span.bytes, as: next.role),
                case .file(let part) = decoded
            else { return nil }
            bytes += block[part.data]
            left += part.children.reversed()
        }
        return bytes
    }
}
