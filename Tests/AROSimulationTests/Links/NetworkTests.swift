import AROPrimitives
import Testing

@testable import AROSimulation

private func network(
    _ model: NetworkModel, link: AccessLink = .unlimited, nodes: Int = 2, seed: UInt64 = 1
) -> Network {
    var network = Network(model: model, seeds: Seeds(seed))
    for _ in 0..<nodes { network.addEnd(link, region: 0) }
    return network
}

@Suite struct LossTests {
    /// How many of 50,000 datagrams are lost, and the lengths of the bursts.
    func measure(_ loss: Loss) -> (share: Double, length: Double) {
        var model = NetworkModel()
        model.loss = loss
        var net = network(model)
        var lost = 0
        var bursts = 0
        var wasLost = false
        for i in 0..<50_000 {
            let passage = net.send(
                from: 0, to: 1, byteCount: 100, at: .origin + .microseconds(Int64(i)))
            let isLost = passage.arrival == nil
            lost += isLost ? 1 : 0
            bursts += isLost && !wasLost ? 1 : 0
            wasLost = isLost
        }
        return (Double(lost) / 50_000, Double(lost) / Double(max(1, bursts)))
    }

    @Test func `independent loss loses its share, one by one`() {
        let (share, burst) = measure(.independent(.percent(10)))
        #expect(abs(share - 0.1) < 0.01)
        #expect(abs(burst - 1 / 0.9) < 0.05)
    }

    @Test func `bursty loss loses the same share in bursts`() {
        let (share, burst) = measure(.bursts(mean: .percent(10), length: 4))
        #expect(abs(share - 0.1) < 0.015)
        #expect(abs(burst - 4) < 0.3)
    }

    @Test func `certain loss loses all and no loss loses nothing`() {
        #expect(measure(.independent(.always)).share == 1)
        #expect(measure(.none).share == 0)
    }
}

@Suite struct DelayTests {
    @Test func `a uniform round-trip time is a constant of the pair, alike both ways`() {
        var model = NetworkModel()
        model.roundTrip = .uniform(.milliseconds(20), .milliseconds(100))
        let net = network(model, nodes: 200)
        var all: [Duration] = []
        var isSymmetric = true
        for a in 0..<200 {
            for b in 0..<a {
                all.append(net.roundTrip(a, b))
                isSymmetric = isSymmetric && net.roundTrip(a, b) == net.roundTrip(b, a)
            }
        }
        let mean = all.map(\.milliseconds).reduce(0, +) / Double(all.count)
        #expect(isSymmetric)
        #expect(all.allSatisfy { $0 >= .milliseconds(20) && $0 < .milliseconds(100) })
        #expect(abs(mean - 60) < 1)
    }

    @Test func `jitter never lets a later datagram overtake an earlier one`() {
        var model = NetworkModel.constant(.milliseconds(10))
        model.jitter = Jitter(median: .milliseconds(20), sigmaThousandths: 1_000)
        var net = network(model)
        var last = Instant.origin
        var isOrdered = true
        var delays: [Duration] = []
        for i in 0..<50_000 {
            let now = Instant.origin + .microseconds(Int64(i) * 317)
            let arrival = net.send(from: 0, to: 1, byteCount: 100, at: now).arrival!
            isOrdered = isOrdered && arrival >= last
            last = arrival
            delays.append(arrival - now)
        }
        #expect(isOrdered)
        #expect(delays.max()! > .milliseconds(60))
        #expect(delays.min()! < .milliseconds(20))
    }

    @Test func `reordering holds back its share`() {
        var model = NetworkModel.constant(.milliseconds(10))
        model.reorder = .percent(20)
        model.reorderDelayMax = .milliseconds(5)
        var net = network(model)
        var late = 0
        for _ in 0..<10_000 {
            let passage = net.send(from: 0, to: 1, byteCount: 100, at: .origin)
            if passage.arrival! > .origin + .milliseconds(5) { late += 1 }
        }
        #expect(abs(late - 2_000) < 200)
    }

    @Test func `duplication delivers twice`() {
        var model = NetworkModel()
        model.duplicate = .percent(30)
        var net = network(model)
        var copies = 0
        for _ in 0..<10_000
        where net.send(from: 0, to: 1, byteCount: 100, at: .origin).copyArrival != nil {
            copies += 1
        }
        #expect(abs(copies - 3_000) < 200)
    }

    @Test func `oversized datagrams vanish, those that just fit pass`() {
        var model = NetworkModel()
        model.mtu = 1_280
        var net = network(model)
        let fits = net.send(from: 0, to: 1, byteCount: 1_280, at: .origin).arrival != nil
        let passes = net.send(from: 0, to: 1, byteCount: 1_281, at: .origin).arrival != nil
        let tooLarge = net.drops.tooLarge
        #expect(fits)
        #expect(!passes)
        #expect(tooLarge == 1)
    }
}

@Suite struct AccessLinkTests {
    @Test func `a limited uplink spaces datagrams and drops what its queue cannot hold`() {
        let link = AccessLink(up: 8_000_000, queue: .milliseconds(10))  // 1 kB a millisecond, 10 kB
        var net = network(.constant(.zero), link: link)
        var arrivals: [Instant] = []
        for _ in 0..<20 {
            if let at = net.send(from: 0, to: 1, byteCount: 1_000, at: .origin).arrival {
                arrivals.append(at)
            }
        }
        #expect(arrivals == (1...10).map { .origin + .milliseconds($0) })
        let drops = net.drops.queueFull
        #expect(drops == 10)
        let later = net.send(from: 0, to: 1, byteCount: 1_000, at: .origin + .seconds(1)).arrival
        #expect(later == .origin + .milliseconds(1_001))
    }

    @Test func `a limited downlink is shared by all senders`() {
        let link = AccessLink(down: 8_000_000, queue: .milliseconds(3))
        var net = network(.constant(.zero), link: link, nodes: 5)
        let outs = (1...5).map { _ in net.passDown(0, byteCount: 1_000, at: .origin) }
        #expect(outs[0] == .origin + .milliseconds(1))
        #expect(outs[2] == .origin + .milliseconds(3))
        #expect(outs[3] == nil && outs[4] == nil)
    }

    @Test func `the delay of both ends counts`() {
        let net = network(.constant(.milliseconds(10)), link: AccessLink(delay: .milliseconds(4)))
        let roundTrip = net.roundTrip(0, 1)
        #expect(roundTrip == .milliseconds(26))
    }
}

@Suite struct LognormalTests {
    @Test func `the exponential is right to four digits`() {
        // e^-3, e^-1, e^-0.5, 1, e^0.5, e, e^3
        let known: [(Int64, Double)] = [
            (-196_608, 0.049787), (-65_536, 0.367879), (-32_768, 0.606531), (0, 1),
            (32_768, 1.648721), (65_536, 2.718282), (196_608, 20.085537),
        ]
        for (x, value) in known {
            let found = Double(Lognormal.exponential(x)) / 65_536
            #expect(abs(found - value) < value * 1e-3, "e^\(Double(x) / 65_536)")
        }
    }

    @Test func `the median is one, the quantiles are those of the distribution`() {
        let shape = Lognormal(sigmaThousandths: 500)
        func factor(_ place: Double) -> Double {
            Double(shape.factor(at: UInt64(place * 0x1p64))) / 65_536
        }
        #expect(abs(factor(0.5) - 1) < 1e-3)
        #expect(abs(factor(0.9) - 1.8980) < 0.01)  // e^(0.5 * 1.28155)
        #expect(abs(factor(0.1) - 0.5269) < 0.005)
        #expect(abs(factor(0.99) - 3.2000) < 0.06)  // e^(0.5 * 2.32635)
    }

    @Test func `factors rise with their place`() {
        let shape = Lognormal(sigmaThousandths: 1_500)
        let factors = (0..<4_096).map { shape.factor(at: UInt64($0) << 52) }
        #expect(zip(factors, factors.dropFirst()).allSatisfy { $0 <= $1 })
    }
}

@Suite struct RegionMatrixTests {
    @Test func `a table is read, averaged and its gaps are filled`() throws {
        let matrix = try RegionMatrix(
            csv: "Source,a,b,c\na,,10,\nb,12,,30.5\nc,,,\n\"nowhere\",1,2,3\n")
        #expect(matrix.names == ["a", "b", "c"])
        #expect(matrix.roundTrip(0, 1) == .milliseconds(11))
        #expect(matrix.roundTrip(1, 2) == .microseconds(30_500))
        #expect(matrix.roundTrip(0, 2) == .microseconds(41_500), "by way of b")
        #expect(matrix.roundTrip(2, 2) == RegionMatrix.withinRegion)
    }

    @Test(arguments: [
        "", "x", "Source,a,b\na,,1\nb,1", "Source,a,b\na,,x\nb,1,", "Source,a,b\na,,-1\nb,1,",
        "Source,a,b\na,,\nb,,", "Source,a,b\na,",
    ])
    func `a bad table is refused`(text: String) {
        #expect(throws: RegionMatrix.Failure.self) { try RegionMatrix(csv: text) }
    }
}
