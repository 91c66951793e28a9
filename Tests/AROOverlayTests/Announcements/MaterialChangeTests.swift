import AROWire
import Testing

@testable import AROOverlay

@Suite("Which changes are material")
struct MaterialChangeTests {
    private static let place = Coordinate(
        components: SIMD4(10, 20, 0, 0), height: 1, error: 0.5)
    private static let nearby = Coordinate(
        components: SIMD4(11, 20, 0, 0), height: 1, error: 0.25)

    @Test("a newcomer's first place and first class of translation go along with a renewal")
    func firstPlace() {
        let old = Offer()
        var new = old
        new.coordinate = Self.place
        new.nat = .endpointIndependent
        #expect(!new.differsMaterially(from: old))
    }

    @Test("callers choose who offers models by its place from the first call on")
    func firstPlaceOfProvider() {
        var old = Offer()
        old.models = [ModelOffer(name: "m", contextTokens: 4_096, slotsFree: 1, slots: 1)]
        var placed = old
        placed.coordinate = Self.place
        #expect(placed.differsMaterially(from: old))
        var translated = old
        translated.nat = .open
        #expect(translated.differsMaterially(from: old))
        var drifted = placed
        drifted.coordinate = Self.nearby
        #expect(!drifted.differsMaterially(from: placed), "renewals tell")
    }

    @Test("a place that is lost and a class that changes are told at once")
    func lostPlace() {
        var old = Offer()
        old.coordinate = Self.place
        old.nat = .open
        var new = old
        new.coordinate = nil
        #expect(new.differsMaterially(from: old))
        new = old
        new.nat = .addressAndPortDependent
        #expect(new.differsMaterially(from: old))
    }

    @Test(
        "a coordinate that moved within its error waits for the renewal; farther, or surer, does not"
    )
    func drift() {
        var told = Offer()
        told.coordinate = Coordinate(components: SIMD4(100, 0, 0, 0), height: 10, error: 0.2)
        func isNoticed(_ x: Float, _ height: Float, _ error: Float) -> Bool {
            var now = told
            now.coordinate = Coordinate(
                components: SIMD4(x, 0, 0, 0), height: height, error: error)
            return now.differsNoticeably(from: told)
        }
        #expect(!isNoticed(100, 10, 0.2))
        #expect(!isNoticed(110, 10, 0.15))
        #expect(!isNoticed(100, 25, 0.3), "less sure is no news either")
        #expect(isNoticed(140, 10, 0.2))
        #expect(isNoticed(100, 60, 0.2))
        #expect(isNoticed(100, 10, 0.1))
        var busy = told
        busy.storage.freeBytes += 1
        #expect(busy.differsNoticeably(from: told), "everything else counts as before")
        var lost = told
        lost.coordinate = nil
        #expect(lost.differsNoticeably(from: told))
    }
}
