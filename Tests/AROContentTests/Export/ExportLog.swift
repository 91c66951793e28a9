/// What an export said, with all blocks at hand.

import AROPrimitives
import AROWire

@testable import AROContent

struct ExportLog {
    var bytes: [UInt8] = []
    /// One line per step that is not bytes or a block.
    var lines: [String] = []
    var asked: [CID] = []
    var failure: FetchFailure?
}

func export(_ exporter: inout Exporter, from blocks: [CID: [UInt8]]) -> ExportLog {
    var log = ExportLog()
    var expectedOffset: UInt64?
    while true {
        switch exporter.next() {
        case .needBlock(let cid):
            log.asked.append(cid)
            precondition(exporter.upcoming(1) == [cid])
            guard let block = blocks[cid] else {
                log.failure = .noProviders(cid)
                return log
            }
            exporter.blockArrived(block)
        case .bytes(let slice, let offset):
            precondition(offset == expectedOffset ?? offset, "a gap")
            expectedOffset = offset + UInt64(slice.count)
            log.bytes += slice
        case .beginFile(let name, _, let count):
            log.lines.append("file \(name ?? "-") \(count)")
            expectedOffset = nil
        case .endFile: log.lines.append("end")
        case .enterDirectory(let name, _): log.lines.append("enter \(name ?? "-")")
        case .leaveDirectory: log.lines.append("leave")
        case .symlink(let name, _, let target): log.lines.append("link \(name ?? "-") \(target)")
        case .finished: return log
        case .failed(let failure):
            log.failure = failure
            return log
        }
    }
}

/// Blocks by their names, from several imports.
struct Shelf {
    var blocks: [CID: [UInt8]] = [:]

    mutating func put(_ imported: (root: ImportedRoot, blocks: [ImportedBlock])) -> ImportedRoot {
        for block in imported.blocks { blocks[block.cid] = block.bytes }
        return imported.root
    }

    mutating func put(_ block: Block) -> CID {
        blocks[block.cid] = block.bytes
        return block.cid
    }

    func export(
        _ root: CID, path: [String] = [], range: Range<UInt64>? = nil, entriesMax: Int = 1_000
    ) -> ExportLog {
        var exporter = Exporter(root: root, path: path, range: range, entriesMax: entriesMax)
        return AROContentTests.export(&exporter, from: blocks)
    }
}
