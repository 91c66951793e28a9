/// In which way a run failed, so that a smaller one can be asked whether it fails alike.

/// A run that came to nothing good.
public struct Failure: Codable, Hashable, Sendable, CustomStringConvertible {
    /// The first expectation that does not hold, or the last words of a program that ended.
    public var text: String
    /// Whether the program itself ended.
    public var isCrash: Bool
    /// Whether the expectation's metric was not even measured.
    public var isUnmeasured = false
    /// Whether requests were still under way at the end, which count as failed: a run that ends sooner
    /// must not come to fail for that.
    public var isCut = false

    public init(crash text: String) { (self.text, isCrash) = (text, true) }

    /// nil where every expectation holds.
    public init?(_ report: Report) {
        guard let outcome = report.outcomes.first(where: { !$0.holds }) else { return nil }
        text = outcome.expectation.words
        isCrash = false
        isUnmeasured = outcome.value == nil
        isCut = (report["requests_unfinished"]?.value ?? 0) > 0
    }

    public var description: String {
        isCrash ? "crashed: \(text)" : text + (isUnmeasured ? " (not measured)" : "")
    }
}
