import AROContent
import AROWire
struct StoredContent {
    static func open(_ directory: String, _ c: NodeConfiguration, _ s: Signer) async throws
        -> any ContentServicing
    { fatalError() }
}
