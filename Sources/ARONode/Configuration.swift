/// Every number that an operator or a scenario may set, each with its origin.

import AROPrimitives

public struct Configuration: Sendable {
    public init() {}
}
