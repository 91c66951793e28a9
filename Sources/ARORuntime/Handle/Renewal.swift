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
            let roots = try await content.providedRoots()
            if !roots.isEmpty { _ = await loop.answer(to: .resumeProviding(roots)) }
            for name in try await content.names() where !Task.isCancelled {
                let next = try await content.nextName(
                    name.label, target: name.target, lifetime: name.lifetime)
                _ = await loop.answer(
                    to: .publishName(
                        label: next.label, target: next.target, sequence: next.sequence,
                        lifetime: next.lifetime))
            }
        } catch {
            logger.error("what this node published cannot be read: \(error)")
        }
    }
}
