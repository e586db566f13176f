// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Something that is not the store's, under a name of the store's: an operator's slip. It is refused and
/// left as it is.
public struct Stranger: Error, CustomStringConvertible {
    let path: String
    /// What follows the path in a sentence, such as "is a folder".
    let reason: String

    /// What stands where, for the log.
    public var description: String { "'\(path)' \(reason)" }

    /// What a file of a store can be.
    enum Kind {
        /// A table with a XenStore in it, or what damage or power loss has left of one.
        case table
        case journal
        /// A table or a journal that may never have been finished, so that power loss may have left less of it.
        case draft
        case lock

        fileprivate var absence: String {
            switch self {
            case .table, .draft: "is no store"
            case .journal: "is no journal of a store"
            case .lock: "is no lock of a store"
            }
        }

        fileprivate func fits(_ file: FileHead, _ isTable: (FileHead, Bool) -> Bool) -> Bool {
            switch self {
            case .table: isTable(file, false)
            case .journal: file.isJournal
            case .draft: isTable(file, true) || file.isJournal
            case .lock: file.isLock
            }
        }
    }

    /// A folder, or what stands where one is needed.
    fileprivate static func above(_ path: String) -> Stranger? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if let last = parts.last, ["", ".", ".."].contains(last) {
            return Stranger(path: path, reason: "is a folder; name a file in it")
        }
        // From the root down: what is missing is made, and so is all below it.
        for count in parts.indices.dropFirst(2) {
            let folder = parts.prefix(count).joined(separator: "/")
            var status = stat()
            guard stat(folder, &status) == 0 else { return nil }
            if status.st_mode & S_IFMT != S_IFDIR { return Stranger(path: folder, reason: "is no folder") }
        }
        return nil
    }
}

extension StoreFiles {
    /// What is not the store's under one of the names that the store uses, or will use in a repair.
    func stranger(inRepair isInRepair: Bool = false) -> Stranger? {
        if let folder = Stranger.above(table) { return folder }
        let tables = isInRepair ? [table, repaired] : [table]
        func first(_ paths: [String], _ kind: Stranger.Kind) -> Stranger? {
            paths.lazy.compactMap { stranger(under: $0, besides: kind) }.first
        }
        return first(tables, .table) ?? first(journals, .journal)
            ?? first((tables + journals + [reserve]).map(Self.draft), .draft) ?? first([lock], .lock)
    }

    /// What stands under this name, unless it is nothing, or a file of this kind. Pipes and devices are not
    /// opened. Nor is it said of what cannot be looked at: that fails when it is used.
    func stranger(under path: String, besides kind: Stranger.Kind) -> Stranger? {
        func isA(_ reason: String) -> Stranger { Stranger(path: path, reason: reason) }
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: return isA("is a folder" + (kind == .table ? "; name a file in it" : ""))
        case S_IFIFO: return isA("is a pipe")
        case S_IFSOCK: return isA("is a socket")
        case S_IFLNK: return isA("is a symbolic link; name the file itself")
        default: return isA("is a device")
        }
        guard let file = FileHead(path), !kind.fits(file, recognizes) else { return nil }
        let isOurJournal = kind == .table && file.beginsWithBatch
        return isA(isOurJournal ? "is a journal; name the file of the store" : kind.absence)
    }
}
