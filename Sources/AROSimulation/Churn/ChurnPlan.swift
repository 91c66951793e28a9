/// Who comes and goes, and by which law.

import AROPrimitives

extension Scenario {
    public struct ChurnPlan: Hashable, Sendable {
        public enum Rhythm: Hashable, Sendable {
            /// A node stays for a draw of the first, stays away for one of the second, and so on.
            case drawn(sessions: SpanLaw, gaps: SpanLaw)
            case trace(SessionTrace, file: String)
        }

        /// A group's name.
        public var of: String
        public var rhythm: Rhythm
        /// Nobody leaves before this moment: who is there then begins a session at it.
        public var from = Duration.zero
        /// Nobody leaves after this moment; who is away comes back.
        public var until: Duration?
        /// Who says goodbye before leaving. The others fall silent.
        public var goodbye = Chance.never
    }

    /// The trace that says when the nodes of a group run; nil where their joins are scheduled.
    func trace(of group: String) -> SessionTrace? {
        for plan in churn where plan.of == group {
            if case .trace(let trace, _) = plan.rhythm { return trace }
        }
        return nil
    }
}
