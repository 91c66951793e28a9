/// The routing table of Kademlia §2.2 and §2.4: contacts by the length of the prefix that they
/// share with us, k a bucket, the last bucket split when it is full.
///
/// Bucket `i` holds the contacts that share exactly `i` bits with us, the last one all nearer ones.
/// Where the paper splits further so that a node knows the k nearest around itself, a full bucket
/// here takes a contact that is among our k nearest, up to twice k (the sibling list of S/Kademlia
/// §4.2 inside of the table). A full bucket keeps its old contacts while they live (§2.2);
/// newcomers wait among the spares (§4.1).
///
/// All contacts lie in one array, bucket behind bucket, 12 bytes each: a node of a simulated million
/// keeps its table in a few kilobytes and three allocations, and who is admitted is decided from it
/// alone, without a look into the book for every contact.

import AROPrimitives

struct RoutingTable: Sendable {
    struct Entry: Sendable {
        var handle: PeerHandle
        var roundTrip: RoundTripClass
        /// Unanswered requests in a row.
        var failures: UInt8
        /// When the contact was last heard from, in units of 2^``seenShift`` ns, modulo 2^16.
        var seen: UInt16
        /// How many leading bits its key shares with ours, at most 255.
        let shared: UInt8
        /// 24 bits of a hash of its capped network, never 0; 0 where it has none.
        private var networkLow: UInt8
        private var networkHigh: UInt16

        init(
            handle: PeerHandle, roundTrip: RoundTripClass, seen: UInt16, shared: Int,
            network: UInt64?
        ) {
            (self.handle, self.roundTrip, self.seen, failures) = (handle, roundTrip, seen, 0)
            self.shared = UInt8(min(shared, 255))
            let tag = Self.tag(of: network)
            (networkLow, networkHigh) = (UInt8(tag & 0xff), UInt16(tag >> 8))
        }

        var networkTag: UInt32 {
            get { UInt32(networkHigh) << 8 | UInt32(networkLow) }
            set { (networkLow, networkHigh) = (UInt8(newValue & 0xff), UInt16(newValue >> 8)) }
        }

        static func tag(of network: UInt64?) -> UInt32 {
            guard let network else { return 0 }
            return max(UInt32((network &* 0x9e37_79b9_7f4a_7c15) >> 40), 1)
        }
    }

    /// 2^34 ns, 17 s; 16 bits of them are 13 days.
    static let seenShift: Int64 = 34
    /// Prefixes longer than this are one bucket: 2^64 peers do not fit on Earth.
    static let depthMax = 64

    let local: DHTKey
    /// Grouped by bucket.
    private(set) var entries: [Entry] = []
    /// Where each bucket ends in ``entries``.
    private(set) var ends: [UInt16] = [0]
    /// Contacts that found their bucket full, oldest first.
    private(set) var spares: [Entry] = []
    /// When something in the range of each bucket was last looked up.
    private(set) var touched: [Instant]
    /// The bucket that waited longest for a look-up, and since when. Kept, as it is asked for after
    /// every input.
    private(set) var leastTouched: (bucket: Int, at: Instant)

    init(local: DHTKey, at now: Instant) {
        self.local = local
        touched = [now]
        leastTouched = (0, now)
    }

    var count: Int { entries.count }
    var bucketCount: Int { ends.count }

    func bucketIndex(of key: DHTKey) -> Int {
        min(local.commonPrefixLength(with: key), ends.count - 1)
    }

    /// The bucket of who shares so many bits with us.
    func bucketIndex(sharing bits: UInt8) -> Int { min(Int(bits), ends.count - 1) }

    func bucket(_ i: Int) -> Range<Int> { (i == 0 ? 0 : Int(ends[i - 1]))..<Int(ends[i]) }

    func position(of handle: PeerHandle, key: DHTKey) -> Int? {
        bucket(bucketIndex(of: key)).first { entries[$0].handle == handle }
    }

    func isStale(_ entry: Entry, _ configuration: KademliaConfiguration) -> Bool {
        Int(entry.failures) >= configuration.failuresUntilStale
    }

    func liveCount(_ configuration: KademliaConfiguration) -> Int {
        entries.reduce(0) { $0 + (isStale($1, configuration) ? 0 : 1) }
    }

    func roundTrip(of handle: PeerHandle, key: DHTKey) -> RoundTripClass {
        position(of: handle, key: key).map { entries[$0].roundTrip } ?? .unmeasured
    }

    static func stamp(_ now: Instant) -> UInt16 {
        UInt16(truncatingIfNeeded: now.nanoseconds >> seenShift)
    }

    func age(_ entry: Entry, at now: Instant) -> Duration {
        Duration(nanoseconds: Int64(Self.stamp(now) &- entry.seen) << Self.seenShift)
    }

    /// Live contacts of a bucket that were heard from within some time.
    func count(
        inBucket i: Int, heardWithin time: Duration, at now: Instant,
        _ configuration: KademliaConfiguration
    ) -> Int {
        bucket(i).count {
            age(entries[$0], at: now) < time && !isStale(entries[$0], configuration)
        }
    }

    // MARK: Storage

    mutating func append(_ entry: Entry, toBucket i: Int) {
        // Doubled room would stay half empty: tables hardly grow once they are made.
        if entries.count == entries.capacity { entries.reserveCapacity(entries.count + 20) }
        entries.insert(entry, at: Int(ends[i]))
        for j in i..<ends.count { ends[j] += 1 }
    }

    /// The peer is there, as it states itself.
    mutating func revived(_ handle: PeerHandle, key: DHTKey) {
        guard let position = position(of: handle, key: key) else { return }
        update(at: position) { $0.failures = 0 }
    }

    mutating func replace(at position: Int, by entry: Entry) { entries[position] = entry }

    mutating func update(at position: Int, _ change: (inout Entry) -> Void) {
        change(&entries[position])
    }

    /// Splits the last bucket: those that share no more bits with us than its number stay.
    mutating func split() {
        let last = ends.count - 1
        let range = bucket(last)
        var near: [Entry] = []
        var middle = range.lowerBound
        for i in range {
            if Int(entries[i].shared) > last {
                near.append(entries[i])
            } else {
                entries[middle] = entries[i]
                middle += 1
            }
        }
        for (i, entry) in near.enumerated() { entries[middle + i] = entry }
        ends[last] = UInt16(middle)
        ends.append(UInt16(range.upperBound))
        touched.append(touched[last])
    }

    mutating func addSpare(_ entry: Entry) { spares.append(entry) }

    @discardableResult
    mutating func removeSpare(at position: Int) -> Entry { spares.remove(at: position) }

    mutating func updateSpare(at position: Int, _ change: (inout Entry) -> Void) {
        change(&spares[position])
    }

    // MARK: Refreshing

    mutating func touch(_ key: DHTKey, at now: Instant) {
        touch(bucket: bucketIndex(of: key), at: now)
    }

    mutating func touch(bucket i: Int, at now: Instant) {
        touched[i] = now
        var best = 0
        for i in touched.indices where touched[i] < touched[best] { best = i }
        leastTouched = (best, touched[best])
    }

    /// A random key in the range of a bucket; ourselves for the last one, where the neighbours
    /// matter more than any one key.
    func target(inBucket i: Int, _ generator: inout Generator) -> DHTKey {
        guard i < ends.count - 1 else { return local }
        var bits = generator.bits256()
        let mine = local.bits
        // The first i bits are ours, bit i is not, the rest is chance.
        func word(_ index: Int, _ mine: UInt64, _ random: UInt64) -> UInt64 {
            let kept = min(max(i - 64 * index, 0), 64)
            let mask: UInt64 = kept == 64 ? .max : ~(UInt64.max >> UInt64(kept))
            var value = mine & mask | random & ~mask
            if i / 64 == index {
                let bit = UInt64(1) << UInt64(63 - i % 64)
                value = value & ~bit | ~mine & bit
            }
            return value
        }
        bits = Bits256(
            word(0, mine.w0, bits.w0), word(1, mine.w1, bits.w1), word(2, mine.w2, bits.w2),
            word(3, mine.w3, bits.w3))
        return DHTKey(bits: bits)
    }

    var heapByteCount: Int {
        entries.heapByteCount + ends.heapByteCount + spares.heapByteCount
            + touched.heapByteCount
    }

    // MARK: Keeping handles alive

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for entry in entries { body(entry.handle) }
        for entry in spares { body(entry.handle) }
    }
}
