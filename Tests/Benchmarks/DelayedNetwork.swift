/// A network in which every datagram is under way for a while, on a machine whose kernel has no netem:
/// a network namespace, one TUN device in it, and a thread that writes each packet back to the
/// device so much later. Rules of routing send what goes from one local address to another through
/// the device instead of the loopback. Nodes know nothing of it.

import ARORuntime
import Foundation
import Glibc
import Synchronization

final class DelayedNetwork: Sendable {
    private let device: Int32
    private let delay: UInt64
    private let ending = Flag()

    /// Each node in a network of its own, as in a simulated world.
    static func address(of node: Int) -> String { "32.\(node >> 8).\(node & 255).1" }

    private static let name = "aro0"

    /// Must be called in a network namespace of one's own.
    init(nodes: Int, delay: Duration) throws {
        self.delay = UInt64(delay.components.attoseconds / 1_000_000_000)
        device = try Self.openDevice()
        try Self.configure(nodes)
        Thread.detachNewThread { [self] in carry() }
    }

    func end() { ending.raise() }

    // MARK: The device

    private static func openDevice() throws -> Int32 {
        let device = open("/dev/net/tun", O_RDWR | O_NONBLOCK)
        guard device >= 0 else { throw BenchmarkFailure("cannot open /dev/net/tun: \(errno)") }
        // struct ifreq (netdevice(7)): a name of 16 bytes, flags.
        var request = [UInt8](repeating: 0, count: 40)
        for (i, byte) in name.utf8.enumerated() { request[i] = byte }
        let flags: UInt16 = 0x0001 | 0x1000  // IFF_TUN, IFF_NO_PI
        withUnsafeBytes(of: flags) { request.replaceSubrange(16..<18, with: $0) }
        let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
        guard request.withUnsafeMutableBytes({ ioctl(device, setInterface, $0.baseAddress!) }) == 0
        else { throw BenchmarkFailure("cannot make a TUN device: \(errno)") }
        return device
    }

    /// What comes from the device is for local addresses; what goes to a node goes to the device.
    private static func configure(_ nodes: Int) throws {
        let addresses = (0..<nodes).map { "ip addr add \(address(of: $0))/32 dev \(name)" }
        let script =
            ["set -e"] + addresses + [
                "ip link set \(name) txqueuelen 10000 mtu 1500 up",
                "echo 1 > /proc/sys/net/ipv4/conf/\(name)/accept_local",
                "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter",
                "echo 0 > /proc/sys/net/ipv4/conf/\(name)/rp_filter",
                "ip route add 32.0.0.0/8 dev \(name) table 71",
                "ip rule add pref 1 iif \(name) lookup local",
                "ip rule add pref 2 to 32.0.0.0/8 lookup 71",
                "ip rule add pref 3 lookup local",
                "ip rule del pref 0",
            ]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script.joined(separator: "\n")]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BenchmarkFailure("cannot configure the network; is ip (iproute2) there?")
        }
    }

    // MARK: Packets

    /// The delay is the same for all, so what came first goes first.
    private func carry() {
        var waiting: [(due: UInt64, packet: [UInt8])] = []
        var first = 0
        var space = [UInt8](repeating: 0, count: 2_048)
        while !ending.isRaised {
            wait(until: first < waiting.count ? waiting[first].due : Self.now + 100_000_000)
            let arrived = Self.now
            while true {
                let count = read(device, &space, space.count)
                guard count > 0 else { break }
                waiting.append((arrived + delay, Array(space[..<count])))
            }
            while first < waiting.count, waiting[first].due <= Self.now {
                let packet = waiting[first].packet
                _ = write(device, packet, packet.count)
                first += 1
            }
            if first > 4_096 {
                waiting.removeFirst(first)
                first = 0
            }
        }
        close(device)
    }

    private func wait(until due: UInt64) {
        let now = Self.now
        let left = due > now ? due - now : 0
        var span = timespec(
            tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
        // poll(2) counts milliseconds, which is too coarse here.
        var readable = fd_set()
        withUnsafeMutableBytes(of: &readable) { set in
            set[Int(device) / 8] |= 1 << UInt8(device % 8)
        }
        pselect(device + 1, &readable, nil, nil, &span, nil)
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Why a benchmark cannot be run.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Raised once, by another thread.
private final class Flag: Sendable {
    private let raised = Mutex(false)

    var isRaised: Bool { raised.withLock { $0 } }
    func raise() { raised.withLock { $0 = true } }
}
