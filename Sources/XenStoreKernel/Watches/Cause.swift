// SPDX-License-Identifier: Apache-2.0

/// On whose account something is done, and what that one has come to wait for.
struct Cause {
    /// The guest whose request is carried out: its requests wait where a reader's budget is used up. Nil for
    /// dom0, and for what nobody has asked for.
    private unowned(unsafe) let guest: Session?
    /// Its request, once that waits for a reader.
    private(set) var outstanding: OutstandingRequest?
    /// Gathers the changes of a transaction that is being committed, instead of telling of each at once.
    let replay: Replay?

    /// What nobody has asked for, such as a domain's end.
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

    /// The request, which is outstanding until an event beyond a guest's budget has reached it. Only unprivileged
    /// domains hold each other up: dom0 waits for nobody.
    mutating func requestThatWaits(_ ledger: Ledger) -> OutstandingRequest? {
        guard let guest else { return nil }
        let request = outstanding ?? OutstandingRequest(of: guest, ledger: ledger)
        outstanding = request
        request.addOne()
        return request
    }
}
