/// A node's content services over its store: the ``Library``'s jobs, signed by the node.

import AROContent
import AROCrypto
import AROPrimitives
import AROWire

struct StoredContent: ContentServicing {
    private let library: Library
    private let service: DiskService
    private let signer: Signer

    /// Opens the store in a data directory, and repairs what a crash left: may take a while.
    static func open(
        _ directory: String, quota: UInt64?, signer: Signer
    ) async throws -> StoredContent {
        let opening = Task.detached {
            try ChunkStore(in: directory, options: StoreOptions(quota: quota))
        }
        let store = try await opening.value
        return StoredContent(
            library: Library(store), service: DiskService(store), signer: signer)
    }

    private init(library: Library, service: DiskService, signer: Signer) {
        (self.library, self.service, self.signer) = (library, service, signer)
    }

    var disk: any DiskServicing { service }
    var quota: UInt64 { library.store.quota }

    func close() async { await service.close() }

    /// Runs work that waits for the disk on a thread that may wait.
    private func onDisk<T: Sendable>(
        _ work: @escaping @Sendable (ChunkStore) throws(StoreFailure) -> T
    ) async throws -> T {
        try await library.jobs.run { [library] _ throws(ContentFailure) in
            do throws(StoreFailure) { return try work(library.store) } catch {
                throw .store(error)
            }
        }
    }
}

// MARK: - In and out

extension StoredContent {
    private var options: PutOptions {
        var options = PutOptions()
        options.attest = { [signer] root, byteCount, name, mediaType in
            signer.attest(root, byteCount, name, mediaType)
        }
        return options
    }

    func importPath(_ path: String, progress: @escaping JobProgress) async throws -> Imported {
        let content = try await library.put(path: path, options: options, progress: progress)
        return Imported(root: content.root, byteCount: content.byteCount)
    }

    func importStream(
        next: @escaping @Sendable () async throws -> [UInt8]?, progress: @escaping JobProgress
    ) async throws -> Imported {
        let content = try await library.put(
            stream: AsyncThrowingStream(unfolding: next), options: options, progress: progress)
        return Imported(root: content.root, byteCount: content.byteCount)
    }

    func read(
        _ file: CID, range: Range<UInt64>?
    ) -> AsyncThrowingStream<[UInt8], any Error> {
        let reader = library.read(file, range: range)
        return AsyncThrowingStream { try await reader.next().map { Array($0) } }
    }

    func reader(_ options: FetchOptions, wait: @escaping BlockWait) -> ContentReader {
        library.read(options.root, path: options.path, range: options.range, wait: wait)
    }

    func blocks(_ walk: BlockWalk, repeats: Bool, wait: @escaping BlockWait) -> BlockReader {
        library.blocks(walk, repeats: repeats, wait: wait)
    }

    func entry(_ root: CID, path: [String]) async throws -> ContentEntry {
        let found = try await library.lookup(root, path: path)
        return try ContentEntry(
            name: path.last ?? "", cid: found.cid, kind: found.kind, isNeeded: true)
    }

    func list(_ directory: CID) async throws -> [ContentEntry] {
        try await library.list(directory).map {
            try ContentEntry(name: $0.name ?? "", cid: $0.cid, kind: $0.kind, isNeeded: false)
        }
    }
}

extension ContentEntry {
    /// - Parameter isNeeded: whether an entry whose block is not here is an error.
    fileprivate init(
        name: String, cid: CID, kind: ListingEntry.Kind, isNeeded: Bool
    ) throws(ContentFailure) {
        self.init(name: name, kind: .unknown, cid: cid)
        switch kind {
        case .file(let count): (self.kind, byteCount) = (.file, count)
        case .directory: self.kind = .directory
        case .symlink(let target): (self.kind, self.target) = (.symlink, target)
        case .unknown: if isNeeded { throw .missing(cid) }
        }
    }
}

// MARK: - What is kept

extension StoredContent {
    func roots() async throws -> [HeldRoot] {
        try await onDisk { store throws(StoreFailure) in
            let pins = try store.pins()
            let roots = try store.roots()
            let pinned = Set(pins.map(\.cid))
            let listed = Set(roots.map(\.cid))
            return roots.map {
                HeldRoot(
                    root: $0.cid, byteCount: $0.byteCount, name: $0.name,
                    isPinned: pinned.contains($0.cid))
            }
                + pins.filter { !listed.contains($0.cid) }.map {
                    HeldRoot(root: $0.cid, byteCount: nil, name: $0.name, isPinned: true)
                }
        }
    }

    func providedRoots() async throws -> [CID] {
        try await onDisk { store throws(StoreFailure) in
            let roots = try store.roots().map(\.cid)
            let held = try store.contains(roots)
            return zip(roots, held).compactMap { $1 ? $0 : nil }
        }
    }

    func noteFetched(_ root: CID, byteCount: UInt64) async throws {
        let found = try await library.lookup(root, path: [])
        let kind: PublishedRoot.Kind = if case .directory = found.kind { .directory } else { .file }
        try await onDisk { store throws(StoreFailure) in
            guard try !store.roots().contains(where: { $0.cid == root }) else { return }
            let name = try store.attestations(of: root).first?.name ?? ""
            try store.addRoot(
                PublishedRoot(
                    cid: root, byteCount: byteCount, kind: kind, name: name, added: .now))
        }
    }

    func pin(_ root: CID) async throws {
        try await onDisk { store throws(StoreFailure) in
            let name = try store.attestations(of: root).first?.name ?? ""
            try store.pin(root, name: name)
        }
    }

    func unpin(_ root: CID) async throws -> Bool {
        try await onDisk { store throws(StoreFailure) in try store.unpin(root) }
    }

    func usage() async throws -> StoreUsage { library.store.usage }

    func nextName(
        _ label: String, target: CID, lifetime: Duration
    ) async throws -> PublishedName {
        try await onDisk { store throws(StoreFailure) in
            try store.advanceName(label, target: target, lifetime: lifetime)
        }
    }

    func names() async throws -> [PublishedName] {
        try await onDisk { store throws(StoreFailure) in try store.names() }
    }
}

// MARK: - Proofs

extension StoredContent {
    func proof(_ root: CID, path: [String], offset: UInt64?) async throws -> Proof {
        let id = signer.id
        let built = try await onDisk { store throws(StoreFailure) in
            let known = try store.attestations(of: root)
            let own = known.first { $0.publisher == id }
            guard let attestation = own ?? known.first else { throw .notFound(root) }
            var builder = ProofBuilder(attestation: attestation, path: path, offset: offset)
            while case .needBlock(let cid) = builder.next() {
                builder.blockArrived(try store.read(cid))
            }
            return builder.next()
        }
        switch built {
        case .finished(let proof): return proof
        case .failed(let failure): throw failure
        case .needBlock(let cid): throw ContentFailure.missing(cid)
        }
    }
}

extension Signer {
    func attest(
        _ root: CID, _ byteCount: UInt64, _ name: String, _ mediaType: String
    ) -> Attestation? {
        withIdentity {
            try? Attestation(
                root: root, byteCount: byteCount, name: name, mediaType: mediaType, issued: .now,
                by: $0)
        }
    }
}
