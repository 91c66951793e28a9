/// A queue in one power-of-two array that is reused: nothing is allocated in the steady state.

struct Ring<Element> {
    private var slots: ContiguousArray<Element>
    private var head = 0
    private(set) var count = 0
    /// What an empty slot holds, so that a removed element releases what it refers to.
    private let filler: Element

    init(filler: Element) {
        self.filler = filler
        slots = []
    }

    var isEmpty: Bool { count == 0 }

    /// The element at a distance from the front.
    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return slots[(head + index) & (slots.count - 1)]
        }
        _modify {
            precondition(index >= 0 && index < count)
            yield &slots[(head + index) & (slots.count - 1)]
        }
    }

    var first: Element? { count == 0 ? nil : self[0] }

    mutating func append(_ element: Element) {
        if count == slots.count { grow() }
        slots[(head + count) & (slots.count - 1)] = element
        count += 1
    }

    @discardableResult
    mutating func removeFirst() -> Element {
        precondition(count > 0)
        let element = slots[head]
        slots[head] = filler
        head = (head + 1) & (slots.count - 1)
        count -= 1
        return element
    }

    /// Removes what `matches`, in one pass over all.
    mutating func remove(where matches: (Element) -> Bool) {
        for _ in 0..<count {
            let element = removeFirst()
            if !matches(element) { append(element) }
        }
    }

    mutating func removeAll() {
        while count > 0 { removeFirst() }
    }

    private mutating func grow() {
        var larger = ContiguousArray<Element>()
        larger.reserveCapacity(max(8, slots.count * 2))
        for i in 0..<count { larger.append(self[i]) }
        while larger.count < max(8, slots.count * 2) { larger.append(filler) }
        (slots, head) = (larger, 0)
    }
}
