// SPDX-License-Identifier: Apache-2.0

/// The client that pays for an action, and the request that waits because of it.
struct Cause {
    /// The guest whose request is handled: its requests wait when a reader's budget is used up. Nil for dom0, and for
    /// actions that no client has asked for.
    private unowned(unsafe) let guest: Session?
    /// Its request, as soon as that waits for a reader.
    private(set) var outstanding: OutstandingRequest?
    /// Collects the changes of a transaction that is being committed, instead of sending their events at once.
    let replay: Replay?

    /// Actions that no client has asked for, such as a domain's end.
    static var nobody: Cause { Cause(guest: nil, replay: nil) }

    @inline(__always)
    init(_ session: Session, replay: Replay? = nil) {
        self.init(guest: session.isPrivileged ? nil : session, replay: replay)
    }

    @inline(__always)
    private init(guest: Session?, replay: Replay?) {
        self.guest = guest
        self.replay = replay
    }

    /// The request, which stays outstanding until the reader has taken an event beyond its budget. Only unprivileged
    /// domains hold each other up: dom0 waits for nobody.
    mutating func requestThatWaits(_ ledger: Ledger) -> OutstandingRequest? {
        guard let guest else { return nil }
        let request = outstanding ?? OutstandingRequest(of: guest, ledger: ledger)
        outstanding = request
        request.addOne()
        return request
    }
}
