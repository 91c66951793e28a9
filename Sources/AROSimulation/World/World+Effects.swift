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
                happenings.append(.reply(node: node, id, reply))
            case .disk(let request): serve(request, for: node)
            }
        }
        outbox.removeAll()
    }

    private mutating func sendPackets(of node: Int) {
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
        let wire = Resident.wireByteCount(of: outbox.packets.bytes.span.bytes.extracting(range))
        counters.datagramsSent += 1
        counters.bytesSent += UInt64(wire)
        places[node].traffic.datagramsOut += 1
        places[node].traffic.bytesOut += UInt64(wire)
        guard let receiver = addressing.node(at: address) else {
            network.countNobodyThere()
            return
        }
        let size = wire + NetworkModel.headerByteCount(to: address)
        let passage = network.send(from: node, to: receiver, byteCount: size, at: now)
        guard let arrival = passage.arrival else { return }
        post(range, from: node, to: receiver, at: arrival, damagedBit: passage.damagedBit)
        if let copy = passage.copyArrival {
            post(range, from: node, to: receiver, at: copy, damagedBit: nil)
        }
    }

    /// Sends what no loss keeps back.
    mutating func send(_ parcel: Parcel, from node: Int) {
        counters.datagramsSent += UInt64(parcel.packetCount)
        counters.bytesSent += UInt64(parcel.wireByteCount)
        places[node].traffic.datagramsOut += UInt64(parcel.packetCount)
        places[node].traffic.bytesOut += UInt64(parcel.wireByteCount)
        forward(parcels.park(parcel), from: node, attempts: 1)
    }

    /// A partition keeps it back: then it is tried again with the next second, for as long as a
    /// session lives in silence.
    mutating func forward(_ place: UInt64, from node: Int, attempts: Int) {
        guard let receiver = addressing.node(at: parcels[place].to) else {
            _ = parcels.take(place)
            return network.countNobodyThere()
        }
        if let arrival = network.sendReliably(from: node, to: receiver, at: now) {
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
        _ range: Range<Int>, from node: Int, to receiver: Int, at arrival: Instant, damagedBit: Int?
    ) {
        if damagedBit != nil, !Resident.readsDamagedPackets { return }
        let bytes = outbox.packets.bytes.withUnsafeBytes {
            pool.copy(UnsafeRawBufferPointer(rebasing: $0[range]))
        }
        if let bit = damagedBit.map({ $0 % (range.count * 8) }) {
            (bytes + bit / 8).assumingMemoryBound(to: UInt8.self).pointee ^= 1 << UInt8(bit % 8)
        }
        let event = Event(
            network.isDownLimited(receiver) ? .downlink : .datagram, node: UInt32(receiver),
            epoch: places[receiver].addressEpoch, bytes: bytes, count: range.count,
            from: addressing.current[node])
        agenda.push(event, at: arrival.nanoseconds)
    }

    private mutating func serve(_ request: DiskRequest, for node: Int) {
        guard let (reply, latency) = disks.serve(request, for: node) else { return }
        let event = Event(
            .disk, node: UInt32(node), epoch: places[node].epoch, word: diskReplies.park(reply))
        agenda.push(event, at: (now + latency).nanoseconds)
    }
}
