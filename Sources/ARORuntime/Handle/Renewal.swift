/// A node that starts again tells the network what it told before: the content that it provides and
/// the names that it publishes. While it runs, the node itself renews its records.

import ARONode
import AROContent
import AROPrimitives
import Logging

struct Renewal: Sendable {
    let loop: NodeLoop<Node>
    let content: any ContentServicing
    let logger: Logger

    func run() async {
        do {
            for root in try await content.providedRoots() where !Task.isCancelled {
                _ = await loop.answer(to: .provide(root))
            }
            for name in try await content.names() where !Task.isCancelled {
                let sequence = try await content.nextSequence(
                    label: name.label, target: name.target)
                _ = await loop.answer(
                    to: .publishName(
                        label: name.label, target: name.target, sequence: sequence,
                        lifetime: name.lifetime))
            }
        } catch {
            logger.error("what this node published cannot be read: \(error)")
        }
    }
}
