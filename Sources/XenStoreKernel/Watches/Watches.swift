// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// All watches: the watches of each session, and the index by path in which a change finds its watches.
final class Watches {
    private let store: Store
    private let accounts: Accounts
    private let schedule: Schedule
    private let notes: Notes
    private var index = WatchIndex()
    /// Each session's watches by a hash of path and token.
    private var bySession: [UInt64: [UInt64: [Watch]]] = [:]
    private var serial: UInt64 = 0

    init(store: Store, accounts: Accounts, schedule: Schedule, notes: Notes) {
        self.store = store
        self.accounts = accounts
        self.schedule = schedule
        self.notes = notes
    }

    @inline(__always) var isEmpty: Bool { index.isEmpty }
    var count: Int { index.count }

    /// The watches of one session, in no order.
    func watches(of session: Session) -> [Watch] { (bySession[session.number] ?? [:]).values.flatMap { $0 } }

    // MARK: Setting

    func contains(_ path: Path, token: UnsafeRawBufferPointer, of session: Session) -> Bool {
        bySession[session.number]?[place(of: path.hash, token)]?.contains { $0.isEqual(path: path.bytes, token: token) }
            ?? false
    }

    /// Sets a watch that the session does not have yet. `hiddenPrefix` and `depth`: see ``Watch``.
    func add(
        _ path: Path, token: UnsafeRawBufferPointer, hiddenPrefix: Int, depth: Int?, of session: Session
    ) -> Watch {
        serial += 1
        let watch = Watch(
            session: session, path: path, token: token, hiddenPrefix: hiddenPrefix, depth: depth, serial: serial)
        add(watch)
        if session.outlivesDaemon { notes.keep(.watch(WatchRecord(watch))) }
        return watch
    }

    /// Restores a watch of a peer that was connected before the daemon was restarted.
    func restore(_ record: WatchRecord, on path: Path, of session: Session) {
        record.token.withBytes { token in
            add(
                Watch(
                    session: session, path: path, token: token, hiddenPrefix: record.hiddenPrefix,
                    depth: record.depth, serial: record.serial))
        }
        serial = max(serial, record.serial)
    }

    private func add(_ watch: Watch) {
        let place = watch.token.withBytes { self.place(of: watch.hash, $0) }
        bySession[watch.session.number, default: [:]][place, default: []].append(watch)
        index.insert(watch)
        accounts.adjustWatches(of: watch.session, by: 1, bytes: watch.memory)
    }

    /// The key of a watch in its session's table.
    private func place(of hash: UInt64, _ token: UnsafeRawBufferPointer) -> UInt64 {
        store.hashing.child(token, of: hash)
    }

    // MARK: Removing

    /// False if the session has no such watch.
    func remove(_ path: Path, token: UnsafeRawBufferPointer, of session: Session) -> Bool {
        let (number, place) = (session.number, place(of: path.hash, token))
        guard
            let at = bySession[number]?[place]?.firstIndex(where: { $0.isEqual(path: path.bytes, token: token) }),
            let watch = bySession[number]?[place]?.remove(at: at)
        else { return false }
        if bySession[number]?[place]?.isEmpty == true { bySession[number]?[place] = nil }
        if bySession[number]?.isEmpty == true { bySession[number] = nil }
        forget(watch)
        return true
    }

    func removeAll(of session: Session) {
        guard let table = bySession.removeValue(forKey: session.number) else { return }
        for watches in table.values { watches.forEach(forget) }
    }

    private func forget(_ watch: Watch) {
        if watch.session.outlivesDaemon { notes.withdraw(.watch(watch.serial)) }
        index.remove(watch)
        accounts.adjustWatches(of: watch.session, by: -1, bytes: -watch.memory)
    }

    // MARK: Finding

    /// Whether there is a watch on the path with this hash.
    func contains(hash: UInt64) -> Bool { index.contains(hash: hash) }

    /// Calls `body` with each path below `top` that has watches, in no order.
    func forEachPath(below top: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        index.forEachPath(below: top, body)
    }

    /// Puts into `found` the watches that fire on a change, in their order: those on `path` and, unless the notice is
    /// exact, those on its ancestors.
    func find(_ path: Path, _ notice: ChangeNotice, into found: inout [Watch]) {
        found.removeAll(keepingCapacity: true)
        if isEmpty { return }
        let depth = path.depth
        collect(path.hash, notice, into: &found) { $0.isOn(path.bytes) && $0.reaches(0) }
        if !notice.isExact && !path.isSpecial {
            for level in stride(from: depth - 1, through: 0, by: -1) {
                let ancestor = path.prefix(level)
                collect(ancestor.hash, notice, into: &found) {
                    $0.isOn(ancestor.bytes) && $0.reaches(depth - level)
                }
            }
        }
        sort(&found)
        schedule.spend(found.count * Work.change)
    }

    /// Puts into `found` the watches on exactly this path that `isMeant` accepts, in their order.
    func find(
        exactly path: UnsafeRawBufferPointer, hash: UInt64, _ notice: ChangeNotice, into found: inout [Watch],
        where isMeant: (Watch) -> Bool = { $0.reaches(0) }
    ) {
        found.removeAll(keepingCapacity: true)
        collect(hash, notice, into: &found) { $0.isOn(path) && isMeant($0) }
        sort(&found)
    }

    /// Finds the watches on one path whose sessions may know.
    private func collect(
        _ hash: UInt64, _ notice: ChangeNotice, into found: inout [Watch], where isMeant: (Watch) -> Bool
    ) {
        let (accounts, permissions) = (accounts, store.permissions)
        let asked = index.collect(
            hash, into: &found, ofSessions: { notice.mayBeKnown(to: $0, accounts, permissions) }, where: isMeant)
        schedule.spend(asked * Work.watch)
    }

    /// Each path's watches are sorted. Those of several paths must be merged.
    private func sort(_ found: inout [Watch]) {
        if found.count > 1 { found.sort { $0.serial < $1.serial } }
    }
}

extension WatchRecord {
    fileprivate init(_ watch: Watch) {
        serial = watch.serial
        domain = watch.session.domain
        depth = watch.depth
        hiddenPrefix = watch.hiddenPrefix
        path = watch.path
        token = watch.token
    }
}
