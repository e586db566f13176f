// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The file in which a ``JournaledStorage`` keeps its records.
///
/// A table maps keys to records. Both are bytes, which a table need not understand. A table changes only as a whole:
/// after a crash the file holds a whole outcome or nothing of it. The storage does everything else. It writes each
/// turn's changes to a journal and folds the journals on a thread of its own. It watches the files, refuses files of
/// other programs, and sets aside a table that it cannot load.
public protocol JournaledTable: AnyObject, SendableMetatype {
    /// The name of the plugin in the configuration. It is also the name of the file, unless the operator gives one.
    static var name: String { get }
    /// One sentence for `--plugins`.
    static var summary: String { get }
    /// The keys that only this kind of table has. ``JournaledStorage/keys`` also has the keys of every table.
    static var keys: [ConfigurationKey] { get }
    /// The largest size that the operator can allow, in bytes.
    static var sizeMax: Int { get }
    /// The limit that remains if the operator sets none, for the description of `size-max`: "TDB's 4 GiB".
    static var ownBound: String { get }

    /// Whether a regular file is a table of this kind, even after damage or a power cut. If it is not, the storage
    /// leaves the file alone. A draft is a table that never took its place: a power cut may leave any part of it.
    static func recognizes(_ file: FileHead, isDraft: Bool) -> Bool
    /// Makes a table with these records and replaces the old table, or changes nothing and throws. When this returns,
    /// the table and its name survive a power cut.
    static func make(
        _ files: StoreFiles, _ configuration: ConfigurationBlock, _ records: [(key: [UInt8], data: [UInt8])]
    ) throws(StorageError)
    /// Hands all records to `content` and changes nothing. A daemon may use the table meanwhile. The method trusts
    /// nothing in the file, and throws a ``TableProblem`` if something cannot be right.
    static func read(_ files: StoreFiles, into content: StoreContent) throws(TableProblem)
    /// Hands over all records that can be saved from a table that ``read(_:into:)`` found damaged.
    static func salvage(_ files: StoreFiles, into content: StoreContent) throws(StorageError)
    /// The disk room in bytes that a table of this size needs at most for an outcome of journals of this size.
    static func bytesToApply(journals: Int, table: Int) -> Int

    /// Opens the table for changes. If `syncs`, its changes must survive a power cut. If `isSuspect`, the file holds
    /// something that ``read(_:into:)`` did not hand over, and must be written again before it changes.
    init(_ files: StoreFiles, syncs: Bool, isSuspect: Bool) throws(StorageError)
    /// Bytes of the table.
    var size: Int { get }
    /// Takes over the whole outcome, or nothing. If the outcome is empty, only makes sure that the file still has its
    /// name. Gives up if `isHurried` returns true, since the daemon is about to end.
    ///
    /// The storage calls only this method on its own thread, and always on the same one.
    func apply(_ outcome: JournalOutcome, unless isHurried: () -> Bool) throws(TableFailure)
    /// What has happened to the file and was repaired since the last call.
    func takeMended() -> StorageError?
}

extension JournaledTable {
    public static var keys: [ConfigurationKey] { [] }
    public static var sizeMax: Int { 1 << 40 }
    public static var ownBound: String { "none" }

    /// Saves nothing of a damaged table.
    public static func salvage(_ files: StoreFiles, into content: StoreContent) throws(StorageError) {
        do throws(TableProblem) { try read(files, into: content) } catch {
            if case .unreadable(let error) = error { throw error }
            throw StorageError("'\(files.table)': \(error)")
        }
    }
}

/// The outcome of journals. A table first removes the subtrees, then takes over the records.
public struct JournalOutcome {
    /// The subtrees that are gone, with all records that the table has of them.
    public internal(set) var subtrees = RemovedSubtrees()
    /// The last record of each key; nil if the record is gone. The memory is good only while the outcome is applied.
    public internal(set) var records: [Bytes: UnsafeRawBufferPointer?] = [:]
    /// Bytes of the journals, with whole keys.
    public internal(set) var size = 0
    /// The number of the last batch.
    var last: UInt64
    /// Whether there are batches that the table does not have yet.
    var hasBatches = false
}

/// The reason why a table could not be changed.
public enum TableFailure: Error {
    /// Another program has locked the file for a while.
    case locked(StorageError)
    /// There is no room on the disk.
    case full(StorageError)
    /// The file could not be changed. The storage tries again each second.
    case failed(StorageError)

    /// The error, for the log.
    public var error: StorageError {
        switch self {
        case .locked(let error), .full(let error), .failed(let error): error
        }
    }

    /// An error of a system call.
    public static func system(_ doing: String, _ path: String, _ code: Int32 = errno) -> TableFailure {
        let error = StorageError.system(doing, path, code)
        return code == ENOSPC || code == EDQUOT ? .full(error) : .failed(error)
    }
}

/// The reason why a file cannot be loaded as a store.
public enum TableProblem: Error, CustomStringConvertible {
    /// The system does not let us look.
    case unreadable(StorageError)
    /// The file is no store. The storage leaves it alone.
    case stranger(Stranger)
    /// The store belongs to another daemon, or to another version.
    case foreign(String)
    /// The file is a damaged store.
    case damaged(String)
    /// The store belongs to an earlier boot of the host, whose domains are gone.
    case outdated

    /// The problem, for the log.
    public var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .stranger(let stranger): stranger.description
        case .foreign(let reason): "it is no store of ours: \(reason)"
        case .damaged(let reason): "it is damaged: \(reason)"
        case .outdated: "it is of an earlier boot of the host"
        }
    }
}
