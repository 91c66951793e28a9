/// The door to libsodium. `sodium_init` must have run before anything else is called; it is safe
/// from any thread and cheap when repeated, so every entry point that needs it asks here.

import CSodium

enum Sodium {
    static let isReady: Bool = sodium_init() >= 0

    static func prepare() {
        precondition(isReady, "libsodium could not be initialised")
    }
}

/// 32 secret bytes on the heap, wiped on release.
public struct SecretKey: ~Copyable, @unchecked Sendable {
    let base: UnsafeMutablePointer<UInt8>

    static let byteCount = 32

    /// Takes over the bytes that `fill` writes.
    init(_ fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        base = .allocate(capacity: Self.byteCount)
        base.initialize(repeating: 0, count: Self.byteCount)
        fill(base)
    }

    /// Copies 32 bytes; the caller wipes its own copy.
    public init(copying bytes: RawSpan) {
        precondition(bytes.byteCount == Self.byteCount)
        self.init { base in
            bytes.withUnsafeBytes {
                base.update(from: $0.bindMemory(to: UInt8.self).baseAddress!, count: 32)
            }
        }
    }

    public init(copying bytes: [UInt8]) {
        self.init(copying: bytes.span.bytes)
    }

    public func copy() -> SecretKey { SecretKey { $0.update(from: base, count: 32) } }

    /// Lends the bytes; they must not be kept.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: base, count: Self.byteCount))
    }

    deinit {
        sodium_memzero(base, Self.byteCount)
        base.deallocate()
    }
}

/// Overwrites a buffer in a way that the compiler does not remove.
public func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { sodium_memzero($0.baseAddress, $0.count) }
}

/// Compares without telling by time where the difference is. Unequal lengths are unequal.
public func constantTimeEqual(_ a: RawSpan, _ b: RawSpan) -> Bool {
    guard a.byteCount == b.byteCount else { return false }
    return a.withUnsafeBytes { a in
        b.withUnsafeBytes { b in
            a.isEmpty || sodium_memcmp(a.baseAddress, b.baseAddress, a.count) == 0
        }
    }
}
