/// Joins the network through the bootstrap addresses: names are resolved again at every try (they
/// may have moved), unreachable ones are tried again with growing waits, and a node that lost
/// all its peers comes back.

import ARONode
import AROPrimitives
import Logging

struct Bootstrapper: Sendable {
    let hosts: [HostPort]
    let loop: NodeLoop<Node>
    let logger: Logger
    /// Called once, after the first try to join, whatever came of it.
    let triedOnce: @Sendable () -> Void

    /// How often a joined node looks whether it still has peers. A guess.
    static let watchPeriod = Duration.seconds(30)

    func run() async {
        guard !hosts.isEmpty else { return triedOnce() }
        var isFirst = true
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            let hasJoined = await join()
            if isFirst { triedOnce() }
            isFirst = false
            if hasJoined {
                backoff.reset()
                repeat { await pause(Self.watchPeriod) } while await hasPeers() && !Task.isCancelled
                if !Task.isCancelled { logger.warning("no peers are left; joining again") }
            } else if !Task.isCancelled {
                let wait = backoff.wait(using: &generator)
                logger.warning(
                    "trying the bootstrap addresses again in \((wait.nanoseconds + 500_000_000) / 1_000_000_000) s"
                )
                await pause(wait)
            }
        }
    }

    private func join() async -> Bool {
        let addresses = await resolve()
        guard !addresses.isEmpty, !Task.isCancelled else { return false }
        switch await loop.answer(to: .join(addresses)) {
        case .joined(let peers):
            logger.info("joined the network: \(peers) peers known")
            return true
        case .failed(let failure):
            if failure != .shuttingDown { logger.warning("bootstrap: \(failure)") }
            return false
        default: return false
        }
    }

    private func resolve() async -> [SocketAddress] {
        var found: [SocketAddress] = []
        for host in hosts {
            do {
                for address in try await host.resolve() where !found.contains(address) {
                    found.append(address)
                }
            } catch {
                logger.warning("bootstrap: \(error)")
            }
        }
        return found
    }

    private func hasPeers() async -> Bool {
        guard case .status(let status) = await loop.answer(to: .status) else { return true }
        return !status.isIsolated && (status.tablePeers > 0 || status.sessions > 0)
    }

    private func pause(_ duration: Duration) async {
        try? await Task.sleep(nanoseconds: UInt64(duration.nanoseconds))
    }
}
