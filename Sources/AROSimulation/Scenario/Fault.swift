/// What a scenario does to its nodes and links, and to which of them.

import AROPrimitives

extension Scenario {
    public struct Fault: Hashable, Sendable {
        public enum Kind: Hashable, Sendable {
            /// Ends nodes without a word.
            case kill(Members)
            /// Ends nodes that say goodbye.
            case stop(Members)
            /// Ends nodes without a word; after a while they start again with what their disks
            /// hold, and join.
            case restart(Members, after: Duration)
            /// Stands nodes still for a while; what arrives waits for them.
            case pause(Members, lasting: Duration)
            /// Stands nodes still again and again: for `delay`, every so often, for a while. Each
            /// has its own rhythm.
            case slow(Members, delay: Duration, every: Duration, lasting: Duration)
            /// Holds back again and again what nodes send and are sent, while their timers go on:
            /// the slow members of Lifeguard's experiments (2017, §5). Each time lasts, and lies
            /// apart from the next, for one of ``Doublings`` drawn anew.
            case stall(Members, Doublings, apart: Doublings, lasting: Duration)
            /// Cuts nodes off from everyone, each by itself, for a while.
            case isolate(Members, lasting: Duration)
            /// Cuts the network into parts of these shares, for a while. What is left of the whole
            /// is one more part.
            case partition([Chance], lasting: Duration)
            /// Cuts a group off from all others, for a while.
            case partitionGroup(String, lasting: Duration)
            /// Gives nodes another address.
            case move(Members)
            /// Replaces the loss of every path, for a while.
            case loss(Loss, lasting: Duration)
            /// Divides the nodes as the mode says, for a while; unless symmetric, in one direction.
            case partitionBy(PartitionMode, isSymmetric: Bool, lasting: Duration)
            /// Holds back what goes over a share of all directed links, for a while.
            case clogLinks(Chance, lasting: Duration)
            /// Holds back what nodes send and are sent, for a while.
            case clog(Members, lasting: Duration)
            /// Clogs nodes one by one, all for a while, and frees them one by one.
            case swizzleClog(Members, over: Duration, lasting: Duration)
            /// Lets clocks run at another rate, with another time of day, for a while.
            case skew(Members, partsPerMillion: Int64, offset: Duration, lasting: Duration)
            /// Lets disks misbehave, for a while.
            case disk(Members, DiskFault, lasting: Duration)
        }

        /// When it happens; of one that recurs, from when on.
        public var at = Duration.zero
        public var kind: Kind
        public var recurrence: Recurrence?
        /// Where how long it lasts is drawn anew each time.
        public var lasting: SpanLaw?
    }

    /// A time, twice of it, and so on, up to the last.
    public struct Doublings: Hashable, Sendable {
        public var first: Duration
        public var last: Duration

        func cut(to most: Duration) -> Doublings {
            Doublings(first: min(first, most), last: min(last, most))
        }

        /// How many there are.
        var count: Int {
            var (count, time) = (1, first)
            while time <= last - time {
                time = time + time
                count += 1
            }
            return count
        }
    }

    /// Whom a fault befalls: drawn evenly, when it happens, among those who run and have joined and
    /// are no bootstraps.
    public struct Members: Hashable, Sendable {
        public enum Size: Hashable, Sendable {
            case share(Chance)
            case count(Int)
        }

        public var size: Size
        /// A group's name; nil for anyone.
        public var of: String?

        public init(_ size: Size, of group: String? = nil) { (self.size, of) = (size, group) }

        /// How many of so many.
        func number(of all: Int) -> Int {
            switch size {
            case .share(let share): (all * share.partsPerMillion + 500_000) / 1_000_000
            case .count(let count): min(count, all)
            }
        }
    }
}
