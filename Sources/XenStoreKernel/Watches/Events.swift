// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Who can see a node at one moment: those who may read it, or its parent, which lists it.
struct Sight {
    var node: PermissionsID
    var parent: PermissionsID?
}

/// A change that watches may be told of.
struct ChangeNotice {
    /// Only watches on the very path: the node went away with an ancestor, whose own notice tells
    /// the watches further up.
    var isExact: Bool
    /// Who could see the node before, and who can see it now; nil where there is no node. A client is told
    /// that could see it at either of the two moments: what was to be seen at one must not be judged by the
    /// permissions of the other.
    var before: Sight?
    var now: Sight?
}

extension ChangeNotice {
    fileprivate func mayBeKnown(to session: Session, _ accounts: Accounts, _ store: Store) -> Bool {
        if session.isPrivileged { return true }
        func mayRead(_ list: PermissionsID) -> Bool {
            accounts.mayAccess(store.permissions[list], .read, session)
        }
        for case let sight? in [now, before] {
            if mayRead(sight.node) { return true }
            if let parent = sight.parent, mayRead(parent) { return true }
        }
        return false
    }
}

extension Machine {
    /// Tells the watches on `path` and, unless the notice is exact, on its ancestors.
    mutating func notify(_ path: Path, _ notice: ChangeNotice, _ cause: inout Cause) {
        if watches.isEmpty { return }
        match(path, notice)
        deliver(path.bytes, &cause)
    }

    /// Finds in `matches` the watches to be told of a change, in their order.
    mutating func match(_ path: Path, _ notice: ChangeNotice) {
        matches.removeAll(keepingCapacity: true)
        let depth = path.depth
        collect(path.hash, notice) { $0.isOn(path) && $0.reaches(0) }
        if !notice.isExact && !path.isSpecial {
            for level in stride(from: depth - 1, through: 0, by: -1) {
                let ancestor = path.prefix(level)
                collect(ancestor.hash, notice) { $0.isOn(ancestor) && $0.reaches(depth - level) }
            }
        }
        // Each path's watches stand in order; several paths have to be merged.
        if matches.count > 1 { matches.sort { $0.serial < $1.serial } }
        spend(matches.count * Work.change)
    }

    /// Finds the watches on one path whose sessions may know.
    mutating func collect(_ hash: UInt64, _ notice: ChangeNotice, where isMeant: (Watch) -> Bool) {
        let (accounts, store) = (accounts, store)
        let asked = watches.collect(
            hash, into: &matches, ofSessions: { notice.mayBeKnown(to: $0, accounts, store) }, where: isMeant)
        spend(asked * Work.watch)
    }

    /// Sends an event to each of `matches`.
    mutating func deliver(_ path: UnsafeRawBufferPointer, _ cause: inout Cause) {
        if matches.isEmpty { return }
        for watch in matches { send(path, to: watch, suppressingEqual: !watch.isSpecial, &cause) }
        matches.removeAll(keepingCapacity: true)
    }

    /// Queues one event. An equal one that is still on its way stands for both.
    mutating func send(
        _ path: UnsafeRawBufferPointer, to watch: Watch, suppressingEqual: Bool, _ cause: inout Cause
    ) {
        let session = watch.session
        guard session.isOpen, !session.isEnding else { return }
        let shown = UnsafeRawBufferPointer(rebasing: path.dropFirst(watch.hiddenPrefix))
        let length = shown.count + 1 + watch.token.count + 1
        // XSA-324: what does not fit into a message is not sent.
        if length > Limits.payloadMax { return }
        var key: UInt64 = 0
        if suppressingEqual {
            key = store.hashing.event(path: shown, token: watch.token)
            if session.delivery.contains(event: key) { return }
        }
        let admission = admission(of: Header.size + length, to: session)
        if admission == .dropped { return }
        spend(length >> Work.eventShift)
        let start = session.outbox.position
        write(shown, watch.token, length: length, to: session)
        let isExcess = admission == .excess
        let mark = Delivery.Mark(
            start: start, end: session.outbox.position, event: key,
            cause: isExcess ? cause.requestThatWaits(accounts.ledger) : nil,
            kind: isExcess ? .excess : .event)
        session.delivery.append(mark)
        if !isExcess, !session.isPrivileged {
            accounts.ledger.adjustEvents(of: session.domain, by: mark.footprint)
        }
        touch(session)
    }

    private mutating func write(_ path: UnsafeRawBufferPointer, _ token: [UInt8], length: Int, to session: Session) {
        let room = session.outbox.extend(by: Header.size + length)
        guard let start = room.baseAddress else { return }
        let header = Header(type: Operation.watchEvent.rawValue, length: UInt32(length))
        header.store(to: start)
        (start + Header.size).copyMemory(from: path)
        start.storeBytes(of: 0, toByteOffset: Header.size + path.count, as: UInt8.self)
        token.withUnsafeBytes { (start + Header.size + path.count + 1).copyMemory(from: $0) }
        start.storeBytes(of: 0, toByteOffset: Header.size + length - 1, as: UInt8.self)
        guard logSwitches.io else { return }
        trace(
            isRequest: false, header, UnsafeRawBufferPointer(rebasing: room.dropFirst(Header.size)), session)
    }
}

extension Watch {
    @inline(__always)
    func isOn(_ path: Path) -> Bool { isOn(path.bytes) }

    @inline(__always)
    func isOn(_ path: UnsafeRawBufferPointer) -> Bool { self.path.withUnsafeBytes { $0.isEqual(to: path) } }
}

extension PathHash {
    /// What two equal events have in common; never 0.
    func event(path: UnsafeRawBufferPointer, token: [UInt8]) -> UInt64 {
        token.withUnsafeBytes { child($0, of: child(path, of: special)) } | 1
    }
}
