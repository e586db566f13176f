// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The answer to a request, as a value. The router sends it; a commit compares it with the answer that the same
/// request got in its transaction.
struct Answer {
    /// Lies in the store, in the scratch or in a literal: good until the next request is handled, or the store
    /// changes.
    let payload: UnsafeRawBufferPointer
    /// A watch that was just set: its first event comes after the reply.
    var watch: Watch?

    init(_ payload: UnsafeRawBufferPointer) { self.payload = payload }

    static var ok: Answer { Answer(UnsafeRawBufferPointer("OK\0")) }
}

/// On whose account something is done, and what that one has come to wait for.
struct Cause {
    /// The guest whose request is carried out: its requests wait where a reader's budget is used up. Nil for
    /// dom0, and for what nobody has asked for.
    private let guest: Session?
    /// Its request, once that waits for a reader.
    private(set) var outstanding: OutstandingRequest?
    /// Gathers the changes of a transaction that is being committed, instead of telling of each at once.
    let replay: Replay?

    /// What nobody has asked for, such as a domain's end.
    static var nobody: Cause { Cause(guest: nil, replay: nil) }

    init(_ session: Session, replay: Replay? = nil) {
        self.init(guest: session.isPrivileged ? nil : session, replay: replay)
    }

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

/// Making replies.
extension Machine {
    /// The reply with this payload, or E2BIG if it is larger than a message can be.
    @inline(__always)
    func reply(_ payload: UnsafeRawBufferPointer) throws(WireError) -> Answer {
        if payload.count > Limits.payloadMax { throw .E2BIG }
        return Answer(payload)
    }

    /// What the scratch begins with.
    @inline(__always)
    func reply(scratch count: Int) throws(WireError) -> Answer {
        try reply(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
    }

    /// A reply made of text, which ends with a NUL on the wire.
    func reply(text: String) throws(WireError) -> Answer {
        var text = text
        let count = text.utf8.count
        if count >= Limits.payloadMax { throw .E2BIG }
        text.withUTF8 { scratch.copyBytes(from: $0) }
        scratch[count] = 0
        return try reply(scratch: count + 1)
    }

    /// A number in decimal, and a NUL.
    func reply(number: UInt64) throws(WireError) -> Answer {
        let end = scratch.writeDecimal(number)
        scratch[end] = 0
        return try reply(scratch: end + 1)
    }

    /// The same reply in the scratch, where it outlives what it was made from.
    func kept(_ reply: Answer) -> Answer {
        let place = UnsafeMutableRawBufferPointer(rebasing: scratch[..<reply.payload.count])
        if place.baseAddress.map({ UnsafeRawPointer($0) }) != reply.payload.baseAddress {
            place.copyMemory(from: reply.payload)
        }
        return Answer(UnsafeRawBufferPointer(place))
    }
}
