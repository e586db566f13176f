// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The file in which a ``JournaledStorage`` keeps its records.
///
/// A table maps keys to records. Both are bytes, and a table need not understand them. It changes as a whole only:
/// after a crash at any moment the file holds all of an outcome or nothing of it. The storage does everything else:
/// it writes each turn's changes to a journal, brings the journals into the table on a thread of its own, watches
/// the files, refuses other people's files, and sets aside what it cannot load.
public protocol JournaledTable: AnyObject, SendableMetatype {
    /// The name of the plugin in the configuration. It is the name of the file, too, unless the operator gives one.
    static var name: String { get }
    /// One sentence for `--plugins`.
    static var summary: String { get }
    /// Keys that only this kind of table has. ``JournaledStorage/keys`` has them and those of every table.
    static var keys: [ConfigurationKey] { get }
    /// The largest size that the operator can allow, in bytes.
    static var sizeMax: Int { get }
    /// The bound that is left if the operator sets none, for the description of `size-max`: "TDB's 4 GiB".
    static var ownBound: String { get }

    /// Whether a regular file is such a table, or what damage or a power cut has left of one. If it is not, the
    /// storage leaves the file alone. A power cut may leave any part of a draft: a table that never took its place.
    static func recognizes(_ file: FileHead, isDraft: Bool) -> Bool
    /// Makes a table with these records in place of what is there, or changes nothing and throws. The table and its
    /// name outlive a power cut when this returns.
    static func make(
        _ files: StoreFiles, _ configuration: ConfigurationBlock, _ records: [(key: [UInt8], data: [UInt8])]
    ) throws(StorageError)
    /// Hands all records to `content` and changes nothing. A daemon that uses the table may go on. Nothing in the
    /// file is believed: what cannot be right is a ``TableProblem``.
    static func read(_ files: StoreFiles, into content: StoreContent) throws(TableProblem)
    /// Hands over what can be saved of a table that ``read(_:into:)`` found damaged.
    static func salvage(_ files: StoreFiles, into content: StoreContent) throws(StorageError)
    /// Bytes of disk that a table of this size needs at most while it takes over journals of this size.
    static func bytesToApply(journals: Int, table: Int) -> Int

    /// Opens the table to change it. A table that `syncs` is to outlive a power cut. A table that is suspect holds
    /// something that ``read(_:into:)`` did not hand over, and must be written again before it is changed.
    init(_ files: StoreFiles, syncs: Bool, isSuspect: Bool) throws(StorageError)
    /// Bytes of the table.
    var size: Int { get }
    /// Takes over an outcome, all of it or nothing. If the outcome is empty, it only sees to it that the file is
    /// still there under its name. Gives up if `isHurried` says so: the daemon is about to end.
    ///
    /// Only this is called on a thread of the storage's own, and always on the same one.
    func apply(_ outcome: JournalOutcome, unless isHurried: () -> Bool) throws(TableFailure)
    /// What has happened to the file and was put right since this was asked for the last time.
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

/// What journals come to.
public struct JournalOutcome {
    /// The last record of each key; nil if the record is gone. The memory is good only while the outcome is applied.
    public internal(set) var records: [Bytes: UnsafeRawBufferPointer?] = [:]
    /// Bytes of the journals, with whole keys.
    public internal(set) var size = 0
    /// The number of the last batch.
    var last: UInt64
    /// There are batches that the table does not have yet.
    var hasBatches = false
}

/// Why a table could not be changed.
public enum TableFailure: Error {
    /// Somebody else has locked the file for a while.
    case locked(StorageError)
    /// There is no room on the disk.
    case full(StorageError)
    /// The file could not be changed. It is tried again each second.
    case failed(StorageError)

    /// What has happened, for the log.
    public var error: StorageError {
        switch self {
        case .locked(let error), .full(let error), .failed(let error): error
        }
    }

    /// A call of the system's that has failed.
    public static func system(_ doing: String, _ path: String, _ code: Int32 = errno) -> TableFailure {
        let error = StorageError.system(doing, path, code)
        return code == ENOSPC || code == EDQUOT ? .full(error) : .failed(error)
    }
}

/// Why a file was not taken for a store.
public enum TableProblem: Error, CustomStringConvertible {
    /// The system does not let us look.
    case unreadable(StorageError)
    /// It is no store at all, and is left alone.
    case stranger(Stranger)
    /// It is another daemon's, or another version's.
    case foreign(String)
    /// It was a store once.
    case damaged(String)
    /// It is of an earlier boot of the host, whose domains are gone.
    case outdated

    /// What is wrong, for the log.
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
