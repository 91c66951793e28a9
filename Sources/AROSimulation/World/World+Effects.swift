/// What inhabitants want done: datagrams and parcels on their way, work for the disk, answers.

import AROContent
import ARONode
import AROPrimitives

extension World where Resident: ~Copyable {
    mutating func drain(_ node: Int) {
        if !outbox.packets.isEmpty { sendPackets(of: node) }
        for effect in outbox.effects {
            switch effect {
            case .reply(let id, let reply):
                log?.answered(node, id, reply)
                happenings.append(.reply(node: node, id, reply))
            case .disk(let request): serve(request, for: node)
            case .backend(let request): serve(request, for: node)
            // Nobody reads the books of a simulated node.
            case .record: break
            }
        }
        outbox.removeAll()
    }

    private mutating func sendPackets(of node: Int) {
        log?.sender = node
        for r in 0..<outbox.packets.runs.count {
            let run = outbox.packets.runs[r]
            var offset = run.start
            while offset < run.start + run.count {
                let count = min(run.segment, run.start + run.count - offset)
                send(offset..<offset + count, from: node, to: run.address)
                offset += count
            }
        }
    }

    /// Sends a datagram whose bytes lie in the outbox.
    private mutating func send(_ range: Range<Int>, from node: Int, to address: SocketAddress) {
        let wire = wireByteCount(of: range)
        counters.datagramsSent += 1
        counters.bytesSent += UInt64(wire)
        places[node].traffic.datagramsOut += 1
        places[node].traffic.bytesOut += UInt64(wire)
        if let conduct = hostiles.conduct(of: node) {
            return sendBadly(range, conduct, from: node, to: address)
        }
        transmit(range, from: node, to: address, at: now)
    }

    /// Sends what is left of a hostile node's packet.
    private mutating func sendBadly(
        _ range: Range<Int>, _ conduct: Conduct, from node: Int, to address: SocketAddress
    ) {
        let time = now + conduct.delay
        if Resident.misbehavesItself { return transmit(range, from: node, to: address, at: time) }
        let packet = Array(outbox.packets.bytes[range])
        if case .goes(let bit) = hostiles.fate(of: packet, from: node) {
            transmit(range, from: node, to: address, at: time, damagedBit: bit)
        }
        guard let old = hostiles.replay(beside: packet, from: node, to: address),
            let receiver = receiver(at: old.to)
        else { return }
        let size = old.bytes.count + NetworkModel.headerByteCount(to: old.to)
        let passage = network.send(from: node, to: receiver, byteCount: size, at: time)
        guard let arrival = passage.arrival else { return }
        let source = outerAddress(of: node, to: old.to)
        let bytes = old.bytes.withUnsafeBytes { pool.copy($0) }
        post(
            bytes, count: old.bytes.count,
            Way(source: source, receiver: receiver, port: old.to.port), at: arrival)
    }

    private func wireByteCount(of range: Range<Int>) -> Int {
        Resident.wireByteCount(of: outbox.packets.bytes.span.bytes.extracting(range))
    }

    private mutating func transmit(
        _ range: Range<Int>, from node: Int, to address: SocketAddress, at time: Instant,
        damagedBit: Int? = nil
    ) {
        let source = outerAddress(of: node, to: address)
        guard let receiver = receiver(at: address) else {
            network.countNobodyThere()
            return
        }
        let size = wireByteCount(of: range) + NetworkModel.headerByteCount(to: address)
        let passage = network.send(from: node, to: receiver, byteCount: size, at: time)
        guard let arrival = passage.arrival else { return }
        let way = Way(source: source, receiver: receiver, port: address.port)
        post(range, way, at: arrival, damagedBit: damagedBit ?? passage.damagedBit)
        if let copy = passage.copyArrival { post(range, way, at: copy, damagedBit: nil) }
    }

    /// From where a datagram of a node is seen to come.
    private mutating func outerAddress(of node: Int, to remote: SocketAddress) -> SocketAddress {
        var source = addressing.current[node]
        guard translators.contains(node) else { return source }
        let port = translators.port(of: node, to: remote, innerPort: source.port, at: now)
        if !Resident.sharesAddresses { source.port = port }
        return source
    }

    private func receiver(at address: SocketAddress) -> Int? {
        if let node = addressing.node(at: address) { return node }
        guard !translators.isEmpty, let node = addressing.host(at: address),
            translators.contains(node)
        else { return nil }
        return node
    }

    /// Sends what no loss keeps back.
    mutating func send(_ parcel: Parcel, from node: Int) {
        counters.datagramsSent += UInt64(parcel.packetCount)
        counters.bytesSent += UInt64(parcel.wireByteCount)
        places[node].traffic.datagramsOut += UInt64(parcel.packetCount)
        places[node].traffic.bytesOut += UInt64(parcel.wireByteCount)
        let place = parcels.park(parcel)
        log?.sent(.parcel(place), by: node)
        forward(place, from: node, attempts: 1)
    }

    /// A partition keeps it back: then it is tried again with the next second, for as long as a
    /// session lives in silence.
    mutating func forward(_ place: UInt64, from node: Int, attempts: Int) {
        guard let receiver = addressing.node(at: parcels[place].to) else {
            _ = parcels.take(place)
            return network.countNobodyThere()
        }
        _ = outerAddress(of: node, to: addressing.current[receiver])
        let isLetIn = translators.admits(
            addressing.current[node], to: receiver, port: addressing.current[receiver].port, at: now
        )
        if isLetIn, let arrival = network.sendReliably(from: node, to: receiver, at: now) {
            var event = Event(
                .parcel, node: UInt32(receiver), epoch: places[receiver].addressEpoch, word: place)
            event.from = addressing.current[node]
            agenda.push(event, at: arrival.nanoseconds)
        } else if attempts < Self.parcelAttemptsMax {
            var event = Event(
                .parcelAgain, node: UInt32(node), epoch: places[node].epoch, word: place)
            event.count = attempts + 1
            let second = Duration.seconds(1).nanoseconds
            agenda.push(event, at: (now.nanoseconds / second + 1) * second)
        } else {
            _ = parcels.take(place)
        }
    }

    /// Seconds for which a partition may keep a parcel back: the transport's idle timeout.
    private static var parcelAttemptsMax: Int { 120 }

    mutating func parcelDueAgain(_ event: Event) {
        let node = Int(event.node)
        guard places[node].epoch == event.epoch else {
            _ = parcels.take(event.word)
            return
        }
        forward(event.word, from: node, attempts: event.count)
    }

    private mutating func post(
        _ range: Range<Int>, _ way: Way, at arrival: Instant, damagedBit: Int?
    ) {
        if damagedBit != nil, !Resident.readsDamagedPackets { return }
        let bytes = outbox.packets.bytes.withUnsafeBytes {
            pool.copy(UnsafeRawBufferPointer(rebasing: $0[range]))
        }
        if let bit = damagedBit.map({ $0 % (range.count * 8) }) {
            (bytes + bit / 8).assumingMemoryBound(to: UInt8.self).pointee ^= 1 << UInt8(bit % 8)
        }
        post(bytes, count: range.count, way, at: arrival)
    }

    private mutating func post(
        _ bytes: UnsafeMutableRawPointer, count: Int, _ way: Way, at arrival: Instant
    ) {
        var event = Event(
            network.isDownLimited(way.receiver) ? .downlink : .datagram,
            node: UInt32(way.receiver), epoch: places[way.receiver].addressEpoch, bytes: bytes,
            count: count, from: way.source)
        event.word = UInt64(way.port)
        if let log { log.sent(.bytes(UInt(bitPattern: bytes)), by: log.sender) }
        agenda.push(event, at: arrival.nanoseconds)
    }

    private mutating func serve(_ request: DiskRequest, for node: Int) {
        guard let (reply, latency) = disks.serve(request, for: node) else { return }
        let place = diskReplies.park(reply)
        log?.sent(.disk(place), by: node)
        let event = Event(
            .disk, node: UInt32(node), epoch: places[node].epoch, word: place)
        agenda.push(event, at: (now + latency).nanoseconds)
    }
}
