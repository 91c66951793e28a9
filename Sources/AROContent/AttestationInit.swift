import AROCrypto
import AROPrimitives
import AROWire

extension Attestation {
    package init(
        stopgap _: Void,
        root: CID, publisher: PeerID, issued: UnixTime, byteCount: UInt64, name: String,
        mediaType: String, signature: Signature
    ) {
        (self.root, self.publisher, self.issued) = (root, publisher, issued)
        (self.byteCount, self.name, self.mediaType) = (byteCount, name, mediaType)
        self.signature = signature
    }
}
