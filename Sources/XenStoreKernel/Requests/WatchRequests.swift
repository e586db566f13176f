// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// WATCH, UNWATCH, RESET_WATCHES.
extension Machine {
    mutating func watch(_ request: Request) throws(WireError) -> Answer {
        let session = request.session
        let most = session.features.contains(.watchDepth) ? 3 : 2
        let arguments = try strings(request, 2...most)
        let path = try scanner.scan(
            arguments[0], home: session.domain, specials: true, quota: accounts.pathQuota(session))
        var depth: Int?
        if arguments.count == 3 {
            let (value, isWhole) = arguments[2].leadingNumber
            guard isWhole, value >= 0 else { throw .EINVAL }
            depth = value
        }
        let token = arguments[1]
        let key = watchKey(path, token)
        if session.watches[key]?.contains(where: { $0.isEqual(path: path.bytes, token: token) }) == true {
            throw .EEXIST
        }
        try accounts.allow(.watches, amount: accounts.held(by: session).watches + 1, session)
        try accounts.allowMemory(Watch.overhead + path.bytes.count + token.count, session)

        watchSerial += 1
        // Spelled relative to the home: its events are, too.
        let isRelative = arguments[0].first != UInt8(ascii: "/") && !path.isSpecial
        let watch = Watch(
            session: session, path: path, token: token,
            hiddenPrefix: isRelative ? path.bytes.count - arguments[0].count : 0, depth: depth,
            serial: watchSerial)
        add(watch)
        note(watch)

        // The one reply that comes before the event it causes.
        var reply = Answer.ok
        reply.watch = watch
        return reply
    }

    /// A new watch fires at once, even if its node is missing or may not be read. This event does not keep the
    /// request outstanding.
    mutating func sendFirstEvent(of watch: Watch) {
        var cause = Cause.nobody
        watch.path.withUnsafeBytes { send($0, to: watch, suppressingEqual: !watch.isSpecial, &cause) }
    }

    mutating func unwatch(_ request: Request) throws(WireError) -> Answer {
        let session = request.session
        let arguments = try strings(request, 2...2)
        let path = try scanner.scan(
            arguments[0], home: session.domain, specials: true, quota: accounts.pathQuota(session))
        let key = watchKey(path, arguments[1])
        guard
            let at = session.watches[key]?.firstIndex(where: {
                $0.isEqual(path: path.bytes, token: arguments[1])
            }), let watch = session.watches[key]?.remove(at: at)
        else { throw .ENOENT }
        if session.watches[key]?.isEmpty == true { session.watches[key] = nil }
        drop(watch, of: session)
        return .ok
    }

    /// Drops the session's watches and its transactions, the one the request belongs to as well
    /// (XSA-484). Events that are on their way stay.
    mutating func resetWatches(_ request: Request) -> Answer {
        let session = request.session
        removeWatches(of: session)
        dropTransactions(of: session)
        endReservation(of: session)
        return .ok
    }

    mutating func removeWatches(of session: Session) {
        for watches in session.watches.values {
            for watch in watches { drop(watch, of: session) }
        }
        session.watches = [:]
    }

    /// Sets a watch that the session does not have yet.
    mutating func add(_ watch: Watch) {
        let session = watch.session
        let key = watch.token.withBytes { store.hashing.child($0, of: watch.hash) }
        session.watches[key, default: []].append(watch)
        watches.insert(watch)
        accounts.adjustWatches(of: session, by: 1, bytes: watch.memory)
    }

    private mutating func drop(_ watch: Watch, of session: Session) {
        note(watch, isGone: true)
        watches.remove(watch)
        accounts.adjustWatches(of: session, by: -1, bytes: -watch.memory)
    }

    private func watchKey(_ path: Path, _ token: UnsafeRawBufferPointer) -> UInt64 {
        store.hashing.child(token, of: path.hash)
    }
}
