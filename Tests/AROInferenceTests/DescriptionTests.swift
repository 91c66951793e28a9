import AROPrimitives
import AROWire
import Testing

@testable import AROInference

@Suite("Failures of calls in words")
struct DescriptionTests {
    @Test("Every reason of a provider reads as part of a sentence")
    func reasons() {
        for refusal in CallRefusal.allCases {
            #expect(!refusal.description.isEmpty)
            #expect(AttemptFailure.refused(refusal, text: "").description == refusal.description)
        }
        for fault in CallFault.allCases {
            #expect(AttemptFailure.failed(fault, text: "no weights").description == "no weights")
            #expect(!fault.description.isEmpty)
        }
    }

    @Test("A failure tells how long to wait, in whole seconds, rounded up")
    func seconds() {
        let busy = CallFailure.busy(retryAfter: .milliseconds(1_001))
        #expect(busy.description.contains("2 s"))
        #expect(CallFailure.deadline(.milliseconds(1)).description.contains("1 s"))
    }
}
