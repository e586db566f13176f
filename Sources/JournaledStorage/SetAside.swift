// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A store that is set aside stays beside the store. Its name has the time of its last change.
extension StoreFiles {
    /// Renames the store after the time of its last change. So nothing is lost, and the name is free. Returns the new
    /// name of the table, or nil if there was no file.
    func setAside(withJournals: Bool = true) throws(StorageError) -> String? {
        let present = ([table] + (withJournals ? journals : [])).filter { access($0, F_OK) == 0 }
        guard let first = present.first else { return nil }
        var status = stat()
        guard stat(first, &status) == 0 else { throw .system("look at", first) }
        var moment = Moment(stamp: Self.stamp(status.st_mtim.tv_sec))
        // Do not use a number again: the store with the higher number is the newer one.
        if let last = try moments().last(where: { $0.stamp == moment.stamp }) { moment.number = last.number + 1 }
        let other = self[moment]
        // Rename the table first. The next start sets aside journals without a table.
        for (old, new) in zip([table] + journals, [other.table] + other.journals) where present.contains(old) {
            guard rename(old, new) == 0 else { throw .system("rename", old) }
        }
        try Self.syncFolder(of: table)
        return other.table
    }

    /// Removes the oldest stores that were set aside until `count` are left. Returns the removed files.
    func removeSetAsides(keeping count: Int) throws(StorageError) -> [String] {
        // A file that only has such a name does not count, and stays.
        let all = try moments().map { self[$0] }.filter { $0.stranger() == nil }
        for path in all.dropLast(count).flatMap({ [$0.table] + $0.journals }) {
            if unlink(path) != 0, errno != ENOENT { throw .system("remove", path) }
        }
        return all.dropLast(count).map(\.table)
    }

    private subscript(_ moment: Moment) -> StoreFiles { at("\(table).\(moment.text)") }

    /// All stores that were set aside, the oldest first. Some may have only journals.
    private func moments() throws(StorageError) -> [Moment] {
        let name = table.dropFirst(folder.count)
        guard let listing = opendir(folder) else { throw .system("list", folder) }
        defer { closedir(listing) }
        var moments: Set<Moment> = []
        while let entry = readdir(listing) {
            let text = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if text.hasPrefix("\(name)."), let moment = Moment(text.dropFirst(name.count + 1)) {
                moments.insert(moment)
            }
        }
        return moments.sorted()
    }

    /// The part of the name that identifies a store that was set aside.
    private struct Moment: Hashable, Comparable {
        let stamp: Substring
        /// 1, or a higher number for further stores with the same stamp.
        var number = 1

        private static let shape = "0000-00-00T00-00-00Z"

        init(stamp: String) { self.stamp = stamp[...] }

        /// Reads the part of a name after the store's own name; nil if the file was not set aside.
        init?(_ name: Substring) {
            stamp = name.prefix(Self.shape.count)
            let isStamp = zip(stamp, Self.shape).allSatisfy { $1 == "0" ? $0.isWholeNumber : $0 == $1 }
            guard stamp.count == Self.shape.count, isStamp else { return nil }
            var rest = name.dropFirst(stamp.count)
            for end in [".journal-0", ".journal-1"] where rest.hasSuffix(end) { rest = rest.dropLast(end.count) }
            if rest.isEmpty { return }
            guard rest.first == "-", let number = Int(rest.dropFirst()), number > 1 else { return nil }
            self.number = number
        }

        var text: String { number == 1 ? String(stamp) : "\(stamp)-\(number)" }

        static func < (a: Moment, b: Moment) -> Bool { (a.stamp, a.number) < (b.stamp, b.number) }
    }

    /// A time such as `2026-11-22T20-33-31Z`.
    private static func stamp(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 40)
        strftime(&text, text.count, "%Y-%m-%dT%H-%M-%SZ", &parts)
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
