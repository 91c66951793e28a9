/// Births, deaths, moves and partitions.

import AROContent
import ARONode
import AROPrimitives
import AROWire

extension World where Resident: ~Copyable {
    public var nodeCount: Int { places.count }

    /// Adds a node and starts it now.
    ///
    /// - Parameters:
    ///   - link: its access link.
    ///   - region: its place in the region matrix, where the network has one.
    ///   - address: where it lives; nil for a public IPv4 address in a /24 of its own.
    ///   - identity: the seed of its key pair; nil for one of its own.
    ///   - nat: what it is behind; nil for a node that all can reach.
    /// - Returns: the node's number, counted from 0.
    @discardableResult
    public mutating func addNode(
        link: AccessLink = .unlimited, region: Int = 0, address: SocketAddress? = nil,
        identity: Bits256? = nil, nat: NATModel? = nil
    ) -> Int {
        if let identity { identities[places.count] = identity }
        addressing.add(address)
        network.addEnd(link, region: region)
        disks.addNode()
        places.append(Place())
        seats.append(Seat())
        if let nat { putBehindNAT(places.count - 1, nat) }
        start(places.count - 1)
        return places.count - 1
    }

    public func address(of node: Int) -> SocketAddress { addressing.current[node] }

    /// Whether the node is down: killed or stopped, not merely paused.
    public func isDown(_ node: Int) -> Bool { seats[node].resident == nil }

    public func isRunning(_ node: Int) -> Bool {
        seats[node].resident != nil && !places[node].isPaused
    }

    /// How often a node was ended so far.
    public func life(of node: Int) -> Int { Int(places[node].epoch) }

    public func traffic(of node: Int) -> Traffic { places[node].traffic }

    public var drops: NetworkDrops { network.drops }

    public var networkModel: NetworkModel {
        get { network.model }
        set { network.model = newValue }
    }

    public func roundTrip(_ a: Int, _ b: Int) -> Duration { network.roundTrip(a, b) }

    public mutating func setLink(_ link: AccessLink, of node: Int) {
        network.setLink(link, of: node)
    }

    /// Looks at an inhabitant.
    public func withResident<R>(_ node: Int, _ body: (borrowing Resident) -> R) -> R? {
        guard let resident = seats[node].resident else { return nil }
        return body(resident.pointee)
    }

    // MARK: Life and death

    /// Ends a node without a word, as `kill -9` or a power cut does. Its disk stays.
    public mutating func kill(_ node: Int) {
        guard let resident = seats[node].resident else { return }
        resident.deinitialize(count: 1)
        resident.deallocate()
        seats[node] = Seat()
        places[node].isPaused = false
        places[node].epoch += 1
        dropHeld(node)
        disks.lostPower(node)
        models.lostPower(node)
    }

    /// Lets a node say goodbye, then ends it.
    public mutating func stop(_ node: Int) {
        if isRunning(node) { handle(.shutdown, node) }
        disks.sync(node)
        kill(node)
    }

    /// Starts a node that is down: the same identity, address and disk, nothing in memory.
    public mutating func restart(_ node: Int) {
        precondition(seats[node].resident == nil, "node \(node) runs already")
        start(node)
    }

    private mutating func start(_ node: Int) {
        let life = UInt64(places[node].epoch)
        let place = UInt64(node)
        let resident = UnsafeMutablePointer<Resident>.allocate(capacity: 1)
        resident.initialize(
            to: birth(
                Birth(
                    node: node, life: Int(life), address: address(of: node),
                    isBehindNAT: isBehindNAT(node),
                    now: clocks.time(of: node, at: now),
                    wallClock: wallClock(of: node),
                    identitySeed: identities[node] ?? seeds.bits256("identity", place),
                    entropySeed: seeds.bits256("entropy", place, life),
                    chanceSeed: seeds.number("node", place, life))))
        seats[node].resident = resident
        misbehave(node)
        startWallClock(node)
    }

    /// Stops a node's process, as SIGSTOP or a sleeping laptop does: datagrams wait in the socket's
    /// buffer while there is room, timers come late.
    public mutating func pause(_ node: Int) {
        precondition(seats[node].resident != nil, "node \(node) is down")
        places[node].isPaused = true
        seats[node].wakesAt = .origin
    }

    public mutating func resume(_ node: Int) {
        guard places[node].isPaused else { return }
        places[node].isPaused = false
        release(node)
    }

    // MARK: Places

    /// Gives a node another address: a new network attachment, or a NAT that forgot. What is under
    /// way to the old one is lost.
    public mutating func move(_ node: Int, to address: SocketAddress? = nil) {
        places[node].addressEpoch += 1
        addressing.move(node, to: address, moves: Int(places[node].addressEpoch))
    }

    /// Puts a node behind a NAT of its own; nothing is mapped yet. Such a node has a /24 to itself.
    public mutating func putBehindNAT(_ node: Int, _ model: NATModel) {
        precondition(
            addressing.host(at: addressing.current[node]) == node, "a NAT owns its address")
        translators.put(node, behind: model, isBlunt: Resident.sharesAddresses)
    }

    public func isBehindNAT(_ node: Int) -> Bool { translators.contains(node) }

    // MARK: Clogs

    /// Holds back what a node sends and is sent until a moment; then it goes its way.
    public mutating func clog(_ node: Int, until end: Instant) { network.clog(node, until: end) }

    /// Holds back what goes from one node to another.
    public mutating func clog(from: Int, to: Int, until end: Instant) {
        network.clog(from: from, to: to, until: end)
    }

    // MARK: Clocks

    /// Lets a node's clock run fast (or slow, where negative) from now on, and its time of day be
    /// ahead (or behind).
    public mutating func skew(_ node: Int, partsPerMillion: Int64, offset: Duration = .zero) {
        clocks.set(node, partsPerMillion: partsPerMillion, offset: offset, at: now)
        seats[node].wakesAt = .origin
    }

    // MARK: Partitions

    /// Cuts the network into groups that cannot reach each other. Nodes that are in no group form
    /// one of their own.
    public mutating func partition(_ groups: [[Int]]) {
        heal()
        for (i, group) in groups.enumerated() {
            for node in group { network.setSide(i + 1, of: node) }
        }
        for a in 0...groups.count {
            for b in 0...groups.count where a != b { network.cut(from: a, to: b) }
        }
    }

    /// Stops what goes from one group to another, in this direction only.
    public mutating func block(from: [Int], to: [Int]) {
        heal()
        for node in from { network.setSide(1, of: node) }
        for node in to { network.setSide(2, of: node) }
        network.cut(from: 1, to: 2)
    }

    /// Undoes every partition.
    public mutating func heal() {
        network.heal()
        for node in places.indices { network.setSide(0, of: node) }
    }

    /// Cuts a node off from every other, until ``reconnect(_:)``; ``heal()`` does not end it.
    public mutating func isolate(_ node: Int) { network.setAlone(true, node) }

    public mutating func reconnect(_ node: Int) { network.setAlone(false, node) }

    // MARK: Disks

    /// Puts a block onto a node's disk, as an import does.
    public mutating func store(_ block: [UInt8], as cid: CID, on node: Int) {
        disks.put(block, as: cid, on: node)
    }

    public mutating func storeAttestation(_ attestation: Attestation, on node: Int) {
        disks.put(attestation, on: node)
    }

    public func block(_ cid: CID, on node: Int) -> [UInt8]? { disks.block(cid, on: node) }

    /// Damages a block where it lies.
    public mutating func corrupt(_ cid: CID, on node: Int) { disks.corrupt(cid, on: node) }

    /// Takes a block off a node's disk.
    public mutating func erase(_ cid: CID, on node: Int) { disks.erase(cid, on: node) }

    /// Lets a node's disk misbehave from now on; nil ends that. What is corrupt stays so.
    public mutating func setDiskFault(_ fault: DiskFault?, of node: Int) {
        disks.setFault(fault, of: node)
    }

    /// Limits what a node's disk takes from now on, bytes; nil for no limit.
    public mutating func setDiskSpace(_ byteCount: Int?, of node: Int) {
        disks.setSpace(byteCount, of: node)
    }
}
