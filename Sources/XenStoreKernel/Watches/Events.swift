// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Sends the events of watches that fire.
final class Events {
    private let ledger: Ledger
    private let schedule: Schedule
    private let unsent: Unsent
    private let hashing: PathHash
    private let trace: Trace

    init(
        ledger: Ledger, schedule: Schedule, unsent: Unsent, hashing: PathHash, trace: Trace
    ) {
        self.ledger = ledger
        self.schedule = schedule
        self.unsent = unsent
        self.hashing = hashing
        self.trace = trace
    }

    /// Sends an event with `path` to each of these watches.
    func send(_ path: UnsafeRawBufferPointer, to watches: [Watch], _ cause: inout Cause) {
        for watch in watches { send(path, to: watch, &cause) }
    }

    /// A new watch fires at once, even if its node is missing, or the client may not read it. This event does not keep
    /// the request outstanding.
    func sendFirst(of watch: Watch) {
        var cause = Cause.nobody
        watch.path.withUnsafeBytes { send($0, to: watch, &cause) }
    }

    /// Queues one event. If an equal one is unsent, it stands for both; but on special nodes each domain that comes or
    /// goes gets its own event.
    func send(_ path: UnsafeRawBufferPointer, to watch: Watch, _ cause: inout Cause) {
        let session = watch.session
        guard session.isOpen, !session.isEnding else { return }
        let shown = UnsafeRawBufferPointer(rebasing: path.dropFirst(watch.hiddenPrefix))
        let length = shown.count + 1 + watch.token.count + 1
        // XSA-324: an event that does not fit into a message is not sent.
        if length > Limits.payloadMax { return }
        let key = watch.isSpecial ? 0 : hashing.event(path: shown, token: watch.token)
        if key != 0, session.delivery.contains(event: key) { return }
        let admission = unsent.admission(of: Header.size + length, to: session)
        if admission == .dropped { return }
        schedule.spend(length >> Work.eventShift)
        let isExcess = admission == .excess
        let room = unsent.extend(
            by: Header.size + length, of: session, forEvent: key, isExcess: isExcess,
            waiting: isExcess ? cause.requestThatWaits(ledger) : nil)
        write(shown, watch.token, to: room, of: session)
    }

    private func write(
        _ path: UnsafeRawBufferPointer, _ token: [UInt8], to room: UnsafeMutableRawBufferPointer, of session: Session
    ) {
        guard let start = room.baseAddress else { return }
        let length = room.count - Header.size
        let header = Header(type: Operation.watchEvent.rawValue, length: UInt32(length))
        header.store(to: start)
        (start + Header.size).copyMemory(from: path)
        start.storeBytes(of: 0, toByteOffset: Header.size + path.count, as: UInt8.self)
        token.withUnsafeBytes { (start + Header.size + path.count + 1).copyMemory(from: $0) }
        start.storeBytes(of: 0, toByteOffset: Header.size + length - 1, as: UInt8.self)
        trace.show(isRequest: false, header, UnsafeRawBufferPointer(rebasing: room.dropFirst(Header.size)), session)
    }
}

extension PathHash {
    /// A number that equal events share. It is never 0.
    fileprivate func event(path: UnsafeRawBufferPointer, token: [UInt8]) -> UInt64 {
        token.withUnsafeBytes { child($0, of: child(path, of: special)) } | 1
    }
}
