import AROPrimitives
import Testing

@testable import AROSimulation

@Suite struct ResponsesTests {
    private let lifetime = Duration.seconds(10)
    private func name(_ session: UInt32) -> Responses.Name {
        Responses.Name(responder: 1, initiator: 2, session: session)
    }

    @Test func `a response is kept until its time is over, in its responder's life`() {
        var responses = Responses()
        responses.keep([1, 2, 3], for: name(1), life: 0, at: .origin, lifetime: lifetime)
        #expect(responses.rider(of: name(1), life: 0) == [1, 2, 3])
        #expect(responses.rider(of: name(1), life: 1) == nil)
        #expect(responses.rider(of: name(2), life: 0) == nil)
        responses.keep([], for: name(2), life: 0, at: .origin + .seconds(5), lifetime: lifetime)
        #expect(responses.rider(of: name(2), life: 0) == [])
        responses.keep([4], for: name(3), life: 0, at: .origin + lifetime, lifetime: lifetime)
        #expect(responses.rider(of: name(1), life: 0) == nil)
        #expect(responses.rider(of: name(2), life: 0) == [])
        responses.forget(name(2))
        #expect(responses.rider(of: name(2), life: 0) == nil)
    }

    @Test func `of a response that has arrived only the size stays`() {
        var responses = Responses()
        responses.keep(
            Array(repeating: 9, count: 900), for: name(1), life: 0, at: .origin, lifetime: lifetime)
        let before = responses.heapByteCount
        responses.arrived(name(1))
        #expect(responses.rider(of: name(1), life: 0)?.count == 900)
        #expect(responses.heapByteCount <= before - 900)
    }

    @Test func `what is over takes no room`() {
        var responses = Responses()
        for i in 0..<100_000 as Range<UInt32> {
            responses.keep(
                Array(repeating: 1, count: 100), for: name(i), life: 0,
                at: .origin + .milliseconds(Int64(i)), lifetime: .milliseconds(100))
        }
        #expect(responses.heapByteCount < 200_000)
    }
}
