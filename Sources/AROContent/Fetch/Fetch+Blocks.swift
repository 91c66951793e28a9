/// Blocks on their way: from the walk to the disk's index, from a peer to the disk.

import AROPrimitives
import AROWire

extension Fetch {
    /// What peers may still send and the disk has not confirmed, in bytes.
    var bytesInFlight: Int { links.reduce(writingBytes) { $0 + ($1?.charged ?? 0) } }

    // MARK: From the walk

    /// Takes needs from the walk while there is room for them, and asks the disk for each.
    mutating func refill() throws(FetchFailure) {
        guard phase == .fetching else { return }
        var unknown: [CID] = []
        // Repeated blocks take no room, so the steps are counted too; each reply goes on.
        var stepsLeft = 4 * config.wantsMax
        if wants.count <= config.wantsMax / 4 * 3 {
            while wants.count < config.wantsMax, stepsLeft > 0,
                case .need(let need) = try walk.next()
            {
                try admit(need, &unknown)
                stepsLeft -= 1
            }
        }
        progress.bytesStored = progress.bytesStored.clampedSum(walk.takeSkippedBytes())
        if !unknown.isEmpty {
            containsUnderWay += 1
            steps.append(.contains(unknown))
        }
        startReads()
    }

    private mutating func admit(_ need: WalkNeed, _ unknown: inout [CID]) throws(FetchFailure) {
        let cid = need.child.cid
        let isNew = wants[cid] == nil
        if isNew {
            wants.add(cid, order: need.position.start, isNode: need.place != nil)
        }
        if let place = need.place { wants[cid]!.places.append(place) }
        if let count = need.byteCount {
            guard wants[cid]!.byteCount ?? count == count, count <= WireLimits.blockMax else {
                throw .malformed(cid, "\(DagFailure.sizes)")
            }
            wants[cid]!.byteCount = count
        }
        wants[cid]!.fileBytes = wants[cid]!.fileBytes.clampedSum(need.fileBytes)
        wants[cid]!.weight = weight(of: need)
        wants[cid]!.occurrences += 1
        wants[cid]!.isAgain = need.isAgain
        guard isNew else { return }
        if cid.isOfNothing {
            try verified(cid, [])
        } else if need.place != nil || options.checksHeld {
            readQueue.append(cid)
        } else {
            unknown.append(cid)
        }
    }

    /// What a peer is expected to send for it, in bytes; nil for a node.
    private func weight(of need: WalkNeed) -> Int? {
        if need.place != nil { return nil }
        return need.byteCount ?? min(Int(clamping: need.fileBytes), WireLimits.blockMax)
    }

    private mutating func startReads() {
        while readsUnderWay < config.fetchReadsMax, !readQueue.isEmpty {
            readsUnderWay += 1
            steps.append(.read(readQueue.removeFirst()))
        }
    }

    // MARK: From the disk

    /// - Parameter elsewhere: those that another fetch of this node sees to.
    mutating func diskContained(
        _ cids: [CID], _ held: [Bool], elsewhere: Set<CID>, at now: Instant
    ) {
        guard phase != .ended else { return }
        containsUnderWay -= 1
        for (cid, isHeld) in zip(cids, held) where wants[cid]?.state == .checking {
            if isHeld { settle(cid) } else { lacked(cid, isElsewhere: elsewhere.contains(cid)) }
        }
        advance(at: now)
    }

    private mutating func lacked(_ cid: CID, isElsewhere: Bool) {
        wants.set(cid, isElsewhere ? .elsewhere : .open)
    }

    mutating func diskRead(
        _ cid: CID, _ result: Result<[UInt8], DiskFailure>, isElsewhere: Bool, at now: Instant
    ) {
        guard phase != .ended else { return }
        readsUnderWay -= 1
        guard wants[cid]?.state == .checking else { return advance(at: now) }
        switch result {
        case .failure: lacked(cid, isElsewhere: isElsewhere)
        case .success(let block):
            do throws(FetchFailure) {
                try measure(cid, block)
                settle(cid)
            } catch { return fail(error) }
        }
        advance(at: now)
    }

    mutating func diskStored(_ cid: CID, _ result: Result<Void, DiskFailure>, at now: Instant) {
        guard phase != .ended, wants[cid]?.state == .writing else { return }
        writingBytes -= wants[cid]!.writing
        wants[cid]!.writing = 0
        if progressedAt != nil { progressedAt = now }
        switch result {
        case .success: settle(cid)
        case .failure(.full): return fail(.diskFull)
        case .failure(.failed(let words)): return fail(.disk(words))
        case .failure(let other): return fail(.disk("\(other)"))
        }
        advance(at: now)
    }

    /// Whether others may leave the block to this fetch.
    func seesTo(_ cid: CID) -> Bool {
        switch wants[cid]?.state {
        case .open, .requested, .writing: true
        case .checking, .elsewhere, nil: false
        }
    }

    /// Another fetch ended: what it had seen to is ours now.
    mutating func otherEnded(at now: Instant) {
        guard !wants.elsewhere.isEmpty else { return }
        for cid in wants.elsewhere { wants.set(cid, .open) }
        advance(at: now)
    }

    /// Another fetch stored a block: we need not ask for it any more.
    mutating func storedElsewhere(_ cid: CID, at now: Instant) {
        guard phase != .ended, let want = wants[cid],
            [.open, .requested, .elsewhere].contains(want.state)
        else { return }
        cancelHolders(of: want, but: nil, at: now)
        wants.set(cid, .checking)
        if want.places.isEmpty, !options.checksHeld {
            containsUnderWay += 1
            steps.append(.contains([cid]))
        } else {
            readQueue.append(cid)
        }
        advance(at: now)
    }

    /// The disk holds it for certain. Places that came up while it was written want it read again.
    private mutating func settle(_ cid: CID) {
        let want = wants[cid]!
        progress.bytesStored = progress.bytesStored.clampedSum(want.fileBytes)
        if !want.isAgain { progress.blocksStored += 1 }
        guard !want.places.isEmpty else {
            wants.remove(cid)
            return
        }
        wants[cid]!.fileBytes = 0
        wants[cid]!.isAgain = true
        wants.set(cid, .checking)
        readQueue.append(cid)
    }

    // MARK: From peers

    /// A block whose hash was checked: on to the walk, and to the disk.
    mutating func verified(_ cid: CID, _ block: [UInt8]) throws(FetchFailure) {
        try measure(cid, block)
        wants.set(cid, .writing)
        wants[cid]!.writing = block.count
        writingBytes += block.count
        steps.append(.write(cid, block))
    }

    /// Compares a block with what its parents promise and hands it to the places that wait for it.
    private mutating func measure(_ cid: CID, _ block: [UInt8]) throws(FetchFailure) {
        let want = wants[cid]!
        guard want.byteCount ?? block.count == block.count else {
            throw .malformed(cid, "\(DagFailure.sizes)")
        }
        var fileBytes = want.fileBytes
        if !want.places.isEmpty {
            for place in want.places {
                fileBytes = fileBytes.clampedSum(try walk.nodeArrived(place, block.span.bytes))
            }
            wants[cid]!.places = []
            nodeWeight = (nodeWeight + block.count) / 2
        } else if want.byteCount == nil {
            // A small file in a directory: until now its size was only hearsay.
            fileBytes =
                UInt64(block.count).multipliedReportingOverflow(by: want.occurrences)
                .partialValue
        }
        wants[cid]!.fileBytes = fileBytes
    }

    /// Tells every other peer that was asked for it that it may stay at home.
    mutating func cancelHolders(of want: Want, but giver: Int?, at now: Instant) {
        for number in links.indices where number != giver {
            guard want.holders >> UInt64(number) & 1 == 1,
                let request = links[number]?.cancelled(want.cid)
            else { continue }
            send(.cancel(request), to: number)
        }
    }

    mutating func send(_ request: ExchangeRequest, to link: Int) {
        var bytes: [UInt8] = []
        bytes.append(request)
        steps.append(.send(bytes, link: link))
    }
}

extension UInt64 {
    func clampedSum(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension CID {
    /// Whether it names zero bytes: such a block need not be fetched.
    var isOfNothing: Bool {
        codec == .raw && (hash == Self.sha256OfNothing || hash == Self.blake2bOfNothing)
    }

    private static let sha256OfNothing = Multihash(.sha256, of: RawSpan())
    private static let blake2bOfNothing = Multihash(.blake2b256, of: RawSpan())
}
