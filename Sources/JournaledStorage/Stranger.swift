// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A file that is not the store's under one of the store's names, by an operator's mistake. The storage refuses it and
/// leaves it as it is.
public struct Stranger: Error, CustomStringConvertible {
    let path: String
    /// The end of a sentence that begins with the path, such as "is a folder".
    let reason: String

    /// The whole sentence, for the log.
    public var description: String { "'\(path)' \(reason)" }

    /// The kinds of files that a store has.
    enum Kind {
        /// A table, even after damage or a power cut.
        case table
        case journal
        /// A table or a journal that may be unfinished. A power cut may leave less of it.
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

    /// Finds a folder under the path itself, or something else in place of a folder above it.
    fileprivate static func above(_ path: String) -> Stranger? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if let last = parts.last, ["", ".", ".."].contains(last) {
            return Stranger(path: path, reason: "is a folder; name a file in it")
        }
        // Begin at the root. If a folder is missing, all folders below it will be made.
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
    /// Finds a file that is not the store's under a name that the store uses, or will use in a repair.
    func stranger(inRepair isInRepair: Bool = false) -> Stranger? {
        if let folder = Stranger.above(table) { return folder }
        let tables = isInRepair ? [table, repaired] : [table]
        func first(_ paths: [String], _ kind: Stranger.Kind) -> Stranger? {
            paths.lazy.compactMap { stranger(under: $0, besides: kind) }.first
        }
        return first(tables, .table) ?? first(journals, .journal)
            ?? first((tables + journals + [reserve]).map(Self.draft), .draft) ?? first([lock], .lock)
    }

    /// Whether the table is a file that can be read, and that no store of this kind makes.
    var areOfOthers: Bool {
        var status = stat()
        guard lstat(table, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let file = FileHead(table) else {
            return false
        }
        return !recognizes(file, false) && !file.beginsWithBatch
    }

    /// Finds a file under this name that is not of this kind. Does not open pipes and devices. Reports nothing if the
    /// system does not let us look: then the use of the file will fail.
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
