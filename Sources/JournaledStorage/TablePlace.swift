// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The file of a table under its name. It notices what somebody else does to the name, and frees the name, so that
/// the table can be written there again.
public struct TablePlace {
    private let files: StoreFiles
    private var identity: FileIdentity
    private var mended: StorageError?

    /// Follows the file that is open by this descriptor.
    public init(_ files: StoreFiles, _ descriptor: Int32) throws(StorageError) {
        self.files = files
        identity = try FileIdentity(descriptor, files.table)
    }

    /// Bytes of the file.
    public var size: Int { identity.size }

    /// The file is as large as it is meant to be, or it is another file: follows it from now on.
    public mutating func follow(_ descriptor: Int32) throws(StorageError) {
        identity = try FileIdentity(descriptor, files.table)
    }

    /// Whether the table has to be written under its name again, because the name is gone or another store has it;
    /// that one is set aside. Throws if the file has lost something, or what has the name is no store.
    public mutating func mustWriteAgain(_ descriptor: Int32) throws(StorageError) -> Bool {
        guard let problem = identity.problem(at: files.table) else { return false }
        let what = StorageError.happened(problem, to: files.table)
        guard identity.isWhole(descriptor) else { throw what }
        switch problem {
        case .vanished(ENOENT):
            try files.makeFolder()
            mended = what
        case .replaced where files.stranger(under: files.table, besides: .table) == nil:
            let name = try files.setAside(withJournals: false) ?? ""
            mended = StorageError("\(what), which is '\(name)' now")
        default: throw what
        }
        return true
    }

    /// What has happened to the file since this was asked for the last time.
    public mutating func takeMended() -> StorageError? {
        defer { mended = nil }
        return mended
    }
}
