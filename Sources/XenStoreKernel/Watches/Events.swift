// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A change that watches may be told of.
struct ChangeNotice {
    /// Only watches on the very path: the node went away with an ancestor, whose own notice tells
    /// the watches further up.
    var isExact: Bool
    /// Who could see the node before and can see it now; a session that may read it with one of
    /// them is told. Nil where there is no node.
    var before: PermissionsID?
    var now: PermissionsID?
    /// Of the parent: who may read it may know that a child has changed.
    var parent: PermissionsID?
}

extension Kernel {
    /// Tells the watches on `path` and, unless the notice is exact, on its ancestors.
    func notify(_ path: Path, _ notice: ChangeNotice) {
        if watches.isEmpty { return }
        matches.removeAll(keepingCapacity: true)
        let depth = path.depth
        watches.collect(path.hash, into: &matches) { $0.isOn(path) && $0.reaches(0) }
        if !notice.isExact && !path.isSpecial {
            for level in stride(from: depth - 1, through: 0, by: -1) {
                let ancestor = path.prefix(level)
                watches.collect(ancestor.hash, into: &matches) {
                    $0.isOn(ancestor) && $0.reaches(depth - level)
                }
            }
        }
        deliver(path.bytes, notice)
    }

    /// Sends an event to each of `matches` whose session may know.
    func deliver(_ path: UnsafeRawBufferPointer, _ notice: ChangeNotice) {
        if matches.isEmpty { return }
        // Each path's watches stand in order; several paths have to be merged.
        if matches.count > 1 { matches.sort { $0.serial < $1.serial } }
        for watch in matches where mayKnow(watch.session, notice) {
            send(path, to: watch, suppressingEqual: !watch.isSpecial)
        }
        matches.removeAll(keepingCapacity: true)
    }

    private func mayKnow(_ session: Session, _ notice: ChangeNotice) -> Bool {
        if session.peer.isPrivileged { return true }
        for list in [notice.now, notice.before, notice.parent] {
            if let list, mayAccess(list, .read, session) { return true }
        }
        return false
    }

    /// Queues one event. An equal one that is still on its way stands for both.
    func send(_ path: UnsafeRawBufferPointer, to watch: Watch, suppressingEqual: Bool) {
        let session = watch.session
        guard session.isOpen, !session.isEnding else { return }
        let shown = UnsafeRawBufferPointer(rebasing: path.dropFirst(watch.hiddenPrefix))
        let length = shown.count + 1 + watch.token.count + 1
        // XSA-324: what does not fit into a message is not sent.
        if length > Limits.payloadMax { return }
        if refusesEvents(session, bytes: Header.size + length) { return }

        var key: UInt64 = 0
        if suppressingEqual {
            key = store.hashing.event(path: shown, token: watch.token)
            if session.delivery.contains(event: key) { return }
        }
        let start = session.outbox.position
        write(shown, watch.token, length: length, to: session)
        session.delivery.append(
            Delivery.Mark(
                start: start, end: session.outbox.position, event: key,
                cause: outstandingRequest(for: session)))
        touch(session)
    }

    private func write(_ path: UnsafeRawBufferPointer, _ token: [UInt8], length: Int, to session: Session) {
        let room = session.outbox.extend(by: Header.size + length)
        guard let start = room.baseAddress else { return }
        let header = Header(type: Operation.watchEvent.rawValue, length: UInt32(length))
        header.store(to: start)
        (start + Header.size).copyMemory(from: path)
        start.storeBytes(of: 0, toByteOffset: Header.size + path.count, as: UInt8.self)
        token.withUnsafeBytes { (start + Header.size + path.count + 1).copyMemory(from: $0) }
        start.storeBytes(of: 0, toByteOffset: Header.size + length - 1, as: UInt8.self)
        charge(session, bytes: Header.size + length)
        guard logSwitches.io else { return }
        trace(
            isRequest: false, header, UnsafeRawBufferPointer(rebasing: room.dropFirst(Header.size)), session)
    }
}

extension Watch {
    @inline(__always)
    func isOn(_ path: Path) -> Bool { self.path.withUnsafeBytes { $0.isEqual(to: path.bytes) } }
}

extension PathHash {
    /// What two equal events have in common; never 0.
    func event(path: UnsafeRawBufferPointer, token: [UInt8]) -> UInt64 {
        token.withUnsafeBytes { child($0, of: child(path, of: special)) } | 1
    }
}
