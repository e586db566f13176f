// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One message, for a trace.
public struct TraceEntry: Sendable {
    /// From a client; if not, to it.
    public var isRequest: Bool
    /// Tells sessions apart.
    public var session: UInt64
    public var domain: DomainID
    /// The name of the operation, or its number if it has none.
    public var operation: String
    /// Blanks stand for NULs, so that a line stays a line of text.
    public var payload: String

    public init(isRequest: Bool, session: UInt64, domain: DomainID, operation: String, payload: String) {
        self.isRequest = isRequest
        self.session = session
        self.domain = domain
        self.operation = operation
        self.payload = payload
    }
}
