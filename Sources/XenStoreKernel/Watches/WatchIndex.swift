// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// All watches by their paths, so that a change finds the watches on its path and on each ancestor without looking at
/// any other.
struct WatchIndex: ~Copyable {
    /// The watches on one path, grouped by session, so that the index asks once for each session whether it may know.
    /// Each session's watches stand in the order in which they were set.
    private struct Bucket {
        var hash: UInt64
        var groups: [Group]
    }

    private struct Group {
        let session: Session
        var watches: [Watch]
    }

    private var index = HashIndex()
    private var buckets: [Bucket] = [Bucket(hash: 0, groups: [])]
    private var free: [UInt32] = []
    private(set) var count = 0

    @inline(__always) var isEmpty: Bool { count == 0 }

    private func bucket(_ hash: UInt64) -> UInt32 {
        index.find(UInt32(truncatingIfNeeded: hash)) { buckets[Int($0)].hash == hash }
    }

    /// Whether there is a watch on the path with this hash.
    func contains(hash: UInt64) -> Bool { bucket(hash) != 0 }

    /// Calls `body` with each path below `top` that has watches, in no order. Looks at all watched paths.
    func forEachPath(below top: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        for bucket in buckets {
            guard let path = bucket.groups.first?.watches.first?.path, path.count > top.count,
                path[top.count] == UInt8(ascii: "/")
            else { continue }
            path.withUnsafeBytes { path in
                if UnsafeRawBufferPointer(rebasing: path[..<top.count]).isEqual(to: top) { body(path) }
            }
        }
    }

    mutating func insert(_ watch: Watch) {
        count += 1
        let group = Group(session: watch.session, watches: [watch])
        let found = Int(bucket(watch.hash))
        if found != 0 {
            if let at = buckets[found].groups.lastIndex(where: { $0.session === watch.session }) {
                buckets[found].groups[at].watches.insert(inOrder: watch)
            } else {
                buckets[found].groups.append(group)
            }
            return
        }
        let new = Bucket(hash: watch.hash, groups: [group])
        let number: UInt32
        if let unused = free.popLast() {
            number = unused
            buckets[Int(number)] = new
        } else {
            number = UInt32(buckets.count)
            buckets.append(new)
        }
        index.insert(number, hash: UInt32(truncatingIfNeeded: watch.hash))
    }

    mutating func remove(_ watch: Watch) {
        let number = bucket(watch.hash)
        guard number != 0,
            let group = buckets[Int(number)].groups.lastIndex(where: { $0.session === watch.session }),
            let at = buckets[Int(number)].groups[group].watches.firstIndex(bySerial: watch.serial)
        else { return }
        count -= 1
        buckets[Int(number)].groups[group].watches.remove(at: at)
        if buckets[Int(number)].groups[group].watches.isEmpty {
            // The order of groups does not matter: a caller that collects watches of several sessions sorts them.
            buckets[Int(number)].groups.swapAt(group, buckets[Int(number)].groups.count - 1)
            buckets[Int(number)].groups.removeLast()
        }
        if buckets[Int(number)].groups.isEmpty {
            index.remove(number, hash: UInt32(truncatingIfNeeded: watch.hash))
            buckets[Int(number)].groups = []
            free.append(number)
        }
    }

    /// Appends the watches on the path with this hash that `isMeant` accepts, of the sessions that may know. Returns
    /// the number of sessions that it has asked about.
    @inline(__always)
    func collect(
        _ hash: UInt64, into matches: inout [Watch], ofSessions mayKnow: (Session) -> Bool,
        where isMeant: (Watch) -> Bool
    ) -> Int {
        let number = bucket(hash)
        if number == 0 { return 0 }
        for group in buckets[Int(number)].groups where mayKnow(group.session) {
            for watch in group.watches where isMeant(watch) { matches.append(watch) }
        }
        return buckets[Int(number)].groups.count
    }
}

extension [Watch] {
    /// Watches stand in the order of their serials. A new one is the last, unless it is restored after a restart: then
    /// each domain's watches come after all those of another domain.
    fileprivate mutating func insert(inOrder watch: Watch) {
        if let last, last.serial > watch.serial { return insert(watch, at: place(of: watch.serial)) }
        append(watch)
    }

    fileprivate func firstIndex(bySerial serial: UInt64) -> Int? {
        let place = place(of: serial)
        return place < count && self[place].serial == serial ? place : nil
    }

    private func place(of serial: UInt64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].serial < serial { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
