// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a client holds, where it is counted: a guest's to its domain, a client's that has limits of its own to
/// its session, and all others' to dom0, who has none.
extension Session {
    /// Bounds apply to what this client makes the daemon keep and do.
    @inline(__always)
    var hasLimits: Bool { !peer.isPrivileged || peer.limits != nil }
}

extension Kernel {
    func held(by session: Session) -> Usage {
        guard session.peer.limits != nil else { return ledger[session.domain] }
        var usage = session.own
        usage.memory += session.outbox.count
        return usage
    }

    func adjustMemory(of session: Session, by bytes: Int) {
        if session.peer.limits != nil {
            session.own.memory += bytes
        } else {
            ledger.adjustMemory(of: session.domain, by: bytes)
        }
    }

    func adjustWatches(of session: Session, by count: Int, bytes: Int) {
        if session.peer.limits != nil {
            session.own.watches += count
            session.own.memory += bytes
        } else {
            ledger.adjustWatches(of: session.domain, by: count, bytes: bytes)
        }
    }

    func adjustTransactions(of session: Session, by count: Int) {
        if session.peer.limits != nil {
            session.own.transactions += count
        } else {
            ledger.adjustTransactions(of: session.domain, by: count)
        }
    }

    /// Counts the bytes that have come and are not handled yet.
    @inline(__always)
    func settleInbox(of session: Session) {
        if session.inbox.footprint != session.chargedInbox { chargeInbox(of: session) }
    }

    private func chargeInbox(of session: Session) {
        if !session.hasLimits { return }
        let growth = session.inbox.footprint - session.chargedInbox
        session.chargedInbox += growth
        adjustMemory(of: session, by: growth)
    }

    /// Takes back what was appended to the session's stream at or after `position`, with all that was counted
    /// for it.
    func truncate(_ session: Session, to position: UInt64) {
        guard session.outbox.position > position else { return }
        session.outbox.truncate(to: session.outbox.count - Int(session.outbox.position - position))
        release(session.delivery.truncate(to: position), of: session)
    }

    /// Messages are no longer on their way to an unprivileged client.
    func release(_ settled: Delivery.Settled, of session: Session) {
        if settled.isEmpty || session.peer.isPrivileged { return }
        if settled.replies > 0 { ledger.adjustOutstanding(of: session.domain, by: -settled.replies) }
        if settled.replyBytes > 0 { ledger.adjustMemory(of: session.domain, by: -settled.replyBytes) }
        if settled.eventBytes > 0 { ledger.adjustEvents(of: session.domain, by: -settled.eventBytes) }
    }
}
