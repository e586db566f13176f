// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The files that a store is made of: the table, and beside it the two journals of what is not in the table yet, and
/// the lock.
public struct StoreFiles: Sendable {
    /// The path of the table.
    public let table: String
    /// Whether a file is a table of this store's kind, or the draft of one.
    let recognizes: @Sendable (_ file: FileHead, _ isDraft: Bool) -> Bool

    /// The files of a store whose table is of this kind.
    public init<Table: JournaledTable>(_ table: String, of kind: Table.Type) {
        self.init(table) { Table.recognizes($0, isDraft: $1) }
    }

    init(_ table: String, _ recognizes: @escaping @Sendable (FileHead, Bool) -> Bool) {
        self.table = table
        self.recognizes = recognizes
    }

    /// The files of another store of the same kind.
    func at(_ table: String) -> StoreFiles { StoreFiles(table, recognizes) }

    var lock: String { table + ".lock" }
    var journals: [String] { [table + ".journal-0", table + ".journal-1"] }
    /// Where a repaired table is made.
    var repaired: String { table + ".repaired" }
    /// The file of this name has it for a moment only, as its room is what is needed.
    var reserve: String { table + ".reserve" }
    /// Where all of them are, with a slash at the end.
    public var folder: String { Self.folder(of: table) }
    /// What the files of a store that is in use are called in their folder.
    var names: Set<String> { Set(([table, lock] + journals).map { String($0.dropFirst(folder.count)) }) }

    static func folder(of path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "." }

    /// Whether they are, or would be made, on a file system that loses all when the host stops.
    var isInMemory: Bool {
        var folder = self.folder
        while folder.count > 1, access(folder, F_OK) != 0 { folder = Self.folder(of: String(folder.dropLast())) }
        return Disk.isInMemory(folder)
    }

    /// Where a file is written before it takes its place.
    public static func draft(of path: String) -> String { path + ".new" }

    /// Makes the draft of a file, in place of one that was never finished, and returns its descriptor.
    public func openDraft(of path: String) throws(StorageError) -> Int32 {
        let draft = Self.draft(of: path)
        if let stranger = stranger(under: draft, besides: .draft) { throw StorageError(stranger) }
        unlink(draft)
        let descriptor = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("make", draft) }
        return descriptor
    }

    /// Folders above the table, as far as they are missing.
    func makeFolder() throws(StorageError) { try Self.makeFolder(above: table) }

    private static func makeFolder(above path: String) throws(StorageError) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if access(folder, F_OK) == 0 { return }
        try makeFolder(above: folder)
        if mkdir(folder, 0o755) != 0, errno != EEXIST { throw .system("make the folder", folder) }
    }

    /// Makes names in the folder of `path` outlive a power cut.
    public static func syncFolder(of path: String) throws(StorageError) {
        let folder = folder(of: path)
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("sync", folder) }
    }
}
