/// The nodes of the next events are fetched into the caches while another node is at work.

import AROPrimitives

extension World where Resident: ~Copyable {
    /// Asks for the memory that later events will want, while another node is at work: first for a
    /// node, then, once that is there, for what it points to.
    ///
    /// Mutating, as it and what it calls would each be given a copy of the world's fields.
    mutating func prefetch() {
        if let next = workingEvent(behind: 0) {
            resident(at: next.pointee.node)?.pointee.prefetch(.whole)
        }
        if let second = workingEvent(behind: 1) {
            resident(at: second.pointee.node)?.pointee.prefetch(.head)
        }
        guard let later = workingEvent(behind: 2) else { return }
        if let bytes = later.pointee.bytes { Prefetch.ask(bytes, later.pointee.count) }
        guard let resident = resident(at: later.pointee.node) else { return }
        Prefetch.ask(resident, MemoryLayout<Resident>.size)
        places.withUnsafeBufferPointer {
            Prefetch.ask(
                $0.baseAddress! + Int(later.pointee.node), MemoryLayout<Place>.size)
        }
    }

    /// The event behind so many others; nil where there is none, or where it is a timer that finds
    /// nothing due, as far as is known now.
    private mutating func workingEvent(behind others: Int) -> UnsafePointer<Event>? {
        guard let event = agenda.payload(behind: others) else { return nil }
        guard event.pointee.kind == .timer else { return event }
        let seat = seats[Int(event.pointee.node)]
        let isDue =
            seat.armedAt.nanoseconds == event.pointee.word
            && seat.wakesAt.nanoseconds <= event.pointee.word
        return isDue ? event : nil
    }

    /// nil also for the number of an event that is no node's.
    private mutating func resident(at node: UInt32) -> UnsafeMutablePointer<Resident>? {
        node < seats.count ? seats[Int(node)].resident : nil
    }
}
