import AROPrimitives
import Foundation
import Testing

@testable import AROSimulation

@Suite struct CoordinateTables {
    @Test func `distances are round-trip times, heights are added at both ends`() throws {
        let table = try CoordinateTable(csv: "x,y,height\n0,0,5\n30,40,2.5\n-30,-40.000,0\n")
        #expect(table.count == 3)
        #expect(table.roundTrip(0, 1) == .microseconds(57_500))
        #expect(table.roundTrip(1, 2) == .microseconds(102_500))
        #expect(table.roundTrip(2, 2) == .zero)
    }

    @Test(arguments: [
        ("", "no hosts"), ("x,y\n", "no hosts"), ("height\n1\n", "0 axes"),
        ("a,b,c,d,e,f,g,h,i\n", "9 axes"), ("x,y\n1,2\n3\n", "line 3: 1 fields"),
        ("x,y\n1,2\n\n# c\n3,4,5\n", "line 5: 3 fields"),
        ("x,y\n1,b\n", "line 2, y: 'b'"), ("x,y\n1,1e3\n", "line 2, y: '1e3'"),
        ("x,y\n1,\n", "line 2, y: ''"), ("x,height\n1,-1\n", "line 2, height"),
        ("x,y\n99999999999,1\n", "line 2, x"),
    ])
    func `what is wrong is said with its line and column`(text: String, words: String) {
        do throws(CoordinateTable.Failure) {
            _ = try CoordinateTable(csv: text)
            Issue.record("no complaint about \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test func `a network takes its round trips from the table`() throws {
        var model = NetworkModel()
        model.roundTrip = .coordinates(try CoordinateTable(csv: "x\n0\n80\n"))
        var network = Network(model: model, seeds: Seeds(1))
        network.addEnd(.unlimited, region: 0)
        network.addEnd(.unlimited, region: 1)
        #expect(network.roundTrip(0, 1) == .milliseconds(80))
    }
}

@Suite struct BuiltInRegions {
    @Test func `the built-in matrix is the one in Simulations`() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../Simulations/data/region-rtt-ms.csv").standardized
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(try RegionMatrix(csv: text) == .azure)
        #expect(RegionMatrix.azure.names.count == 50)
    }
}

@Suite struct FixedPointNumbers {
    @Test func `logarithms and powers agree with floating point`() {
        for value in [0.001, 0.5, 1, 1.5, 2, 10, 44.3, 1_000] {
            let fixed = UInt64(value * 4_294_967_296)
            let log = Double(FixedPoint.log2(fixed)) / 4_294_967_296
            #expect(abs(log - Foundation.log2(value)) < 1e-6, "\(value)")
            for (n, d) in [(1, 2), (1_000, 340), (1_000, 590), (-1, 2), (1, 1)] {
                let power = Double(FixedPoint.power(fixed, Int64(n), over: Int64(d)))
                let wanted = Foundation.pow(value, Double(n) / Double(d))
                // Numbers of 32 whole bits and 32 of fraction.
                guard (1e-4...1e9).contains(wanted) else { continue }
                #expect(abs(power / 4_294_967_296 - wanted) / wanted < 1e-4, "\(value)^\(n)/\(d)")
            }
        }
    }

    @Test func `a draw from nothing to all is the exponential law`() {
        for place in [UInt64(0), 1, 1 << 32, 1 << 63, .max] {
            let found = Double(FixedPoint.minusLog(place)) / 4_294_967_296
            let wanted = -Foundation.log(Double(place | 1) / 18_446_744_073_709_551_616)
            #expect(abs(found - wanted) < 1e-6)
        }
    }

    @Test func `square roots are exact`() {
        for value in [UInt64(0), 1, 2, 3, 4, 99, 100, 1 << 52, (1 << 52) - 1, .max] {
            let root = FixedPoint.squareRoot(value)
            #expect(root * root <= value)
            let (next, overflow) = (root + 1).multipliedReportingOverflow(by: root + 1)
            #expect(overflow || next > value)
        }
    }
}

@Suite struct AccessClasses {
    @Test(arguments: AccessClass.allCases)
    func `the shares of each class are the whole`(one: AccessClass) {
        #expect(one.lines.reduce(0) { $0 + $1.share } == 100)
    }

    @Test func `residential links are drawn from the mix, asymmetric but for fibre`() {
        var chance = Generator(seed: 2)
        let links = (0..<10_000).map { _ in AccessClass.residential.draw(&chance) }
        #expect(abs(links.count { $0.up == 300_000_000 } - 2_000) < 150)
        #expect(abs(links.count { $0.up == 5_000_000 } - 1_500) < 150)
        #expect(links.allSatisfy { $0.down! >= $0.up! })
        #expect(links.allSatisfy { $0.delay >= .milliseconds(2) && $0.delay < .milliseconds(20) })
        #expect(links.allSatisfy { $0.upQueueByteCountMax >= 3_000 })
    }

    @Test func `a link's own loss counts in both directions`() {
        var network = Network(model: NetworkModel(), seeds: Seeds(1))
        network.addEnd(AccessLink(loss: .percent(10)), region: 0)
        network.addEnd(.unlimited, region: 0)
        for (from, to) in [(0, 1), (1, 0)] {
            let lost = (0..<20_000).count { i in
                let now = Instant.origin + .microseconds(Int64(i))
                return network.send(from: from, to: to, byteCount: 100, at: now).arrival == nil
            }
            #expect(abs(lost - 2_000) < 200)
        }
    }
}

@Suite struct Clogs {
    private func network() -> Network {
        var network = Network(model: .constant(.milliseconds(20)), seeds: Seeds(1))
        for _ in 0..<3 { network.addEnd(.unlimited, region: 0) }
        return network
    }

    @Test func `hold back one direction of a link to the end of the while`() {
        var network = network()
        let end = Instant.origin + .seconds(5)
        network.clog(from: 0, to: 1, until: end)
        func arrival(_ from: Int, _ to: Int, at now: Instant = .origin) -> Instant? {
            network.send(from: from, to: to, byteCount: 100, at: now).arrival
        }
        #expect(arrival(0, 1) == end + .milliseconds(10))
        #expect(arrival(1, 0) == .origin + .milliseconds(10))
        #expect(arrival(0, 2) == .origin + .milliseconds(10))
        #expect(arrival(0, 1, at: end + .seconds(1)) == end + .milliseconds(1_010))
    }

    @Test func `hold back all of a node, and parcels too`() {
        var network = network()
        let end = Instant.origin + .seconds(5)
        network.clog(1, until: end)
        network.clog(1, until: .origin + .seconds(1))
        #expect(network.send(from: 0, to: 1, byteCount: 9, at: .origin).arrival! > end)
        #expect(network.send(from: 1, to: 2, byteCount: 9, at: .origin).arrival! > end)
        #expect(network.sendReliably(from: 2, to: 1, at: .origin)! > end)
        #expect(network.send(from: 0, to: 2, byteCount: 9, at: .origin).arrival! < end)
    }
}
