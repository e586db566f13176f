// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The file of a table and its name. It notices what other programs do to the name. It frees the name when the table
/// must be written again.
public struct TablePlace {
    private let files: StoreFiles
    private var identity: FileIdentity
    private var mended: StorageError?

    /// Follows the open file with this descriptor.
    public init(_ files: StoreFiles, _ descriptor: Int32) throws(StorageError) {
        self.files = files
        identity = try FileIdentity(descriptor, files.table)
    }

    /// The size of the file.
    public var size: Int { identity.size }

    /// Follows a file from now on, after the table has changed its size or its file.
    public mutating func follow(_ descriptor: Int32) throws(StorageError) {
        identity = try FileIdentity(descriptor, files.table)
    }

    /// Whether the table must be written again under its name. The name is gone, or another store has it, which this
    /// sets aside. Throws if the file has lost bytes, or if the name belongs to something that is no store.
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

    /// What has happened to the file and was repaired since the last call.
    public mutating func takeMended() -> StorageError? {
        defer { mended = nil }
        return mended
    }
}
