/// The posts of the last minute, in order of arrival: for neighbours that miss one, and to judge
/// duplicates. Bounded by count, bytes and age.

import AROPrimitives
import AROWire

struct RememberedPost: Sendable {
    var name: TopicPostName
    /// The links that it had crossed when it was here.
    var hops: UInt8
    /// Whether it came because we asked for it.
    var wasAsked = false
    /// Whether it came by a link that is not of the tree, here or before.
    var isMended = false
    /// Whether we asked anybody for it: then further copies tell nothing of the tree.
    var mayRepeat = false
    /// Who sent it; nil if we published it.
    var source: PeerHandle?
    var at: Instant
    /// The whole message.
    var bytes: [UInt8]
}

struct PostLog: Sendable {
    private var posts: [RememberedPost] = []
    private var first = 0
    private(set) var byteCount = 0

    var count: Int { posts.count - first }
    var oldest: Instant? { count > 0 ? posts[first].at : nil }

    /// All posts, oldest first.
    var all: ArraySlice<RememberedPost> { posts[first...] }

    mutating func append(_ post: RememberedPost, _ configuration: PlumtreeConfiguration) {
        posts.append(post)
        byteCount += post.bytes.count
        while count > configuration.rememberedMax || byteCount > configuration.rememberedBytesMax {
            removeFirst()
        }
        compact()
    }

    mutating func removeAll(before instant: Instant) {
        while count > 0, posts[first].at <= instant { removeFirst() }
        if count == 0 {
            posts = []
            first = 0
        }
        compact()
    }

    /// Duplicates and requests are mostly for what came last.
    func position(of name: TopicPostName) -> Int? {
        var i = posts.count
        while i > first {
            i -= 1
            if posts[i].name.sequence == name.sequence, posts[i].name == name { return i }
        }
        return nil
    }

    subscript(position: Int) -> RememberedPost { posts[position] }

    private mutating func removeFirst() {
        byteCount -= posts[first].bytes.count
        posts[first].bytes = []
        first += 1
    }

    private mutating func compact() {
        guard first > 32, first > posts.count / 2 else { return }
        posts.removeFirst(first)
        first = 0
    }

    func forEachHandle(_ body: (PeerHandle) -> Void) {
        for post in all { if let source = post.source { body(source) } }
    }
}
