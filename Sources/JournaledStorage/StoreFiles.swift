// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The files of a store: the table, two journals with the batches that are not in the table yet, and the lock.
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
    /// The path for a repaired table.
    var repaired: String { table + ".repaired" }
    /// The path of the reserve. Its file loses the name at once, since only its room matters.
    var reserve: String { table + ".reserve" }
    /// The folder of all files, with a slash at the end.
    public var folder: String { Self.folder(of: table) }
    /// The names of a store's files in their folder.
    var names: Set<String> { Set(([table, lock] + journals).map { String($0.dropFirst(folder.count)) }) }

    static func folder(of path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "." }

    /// Whether the files are on a file system in memory, or would be.
    var isInMemory: Bool {
        var folder = self.folder
        while folder.count > 1, access(folder, F_OK) != 0 { folder = Self.folder(of: String(folder.dropLast())) }
        return Disk.isInMemory(folder)
    }

    /// The path under which a file is written before it takes its place.
    public static func draft(of path: String) -> String { path + ".new" }

    /// Makes the draft of a file and returns its descriptor. Replaces an unfinished draft.
    public func openDraft(of path: String) throws(StorageError) -> Int32 {
        let draft = Self.draft(of: path)
        if let stranger = stranger(under: draft, besides: .draft) { throw StorageError(stranger) }
        unlink(draft)
        let descriptor = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("make", draft) }
        return descriptor
    }

    /// Makes the missing folders above the table.
    func makeFolder() throws(StorageError) { try Self.makeFolder(above: table) }

    private static func makeFolder(above path: String) throws(StorageError) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if access(folder, F_OK) == 0 { return }
        try makeFolder(above: folder)
        if mkdir(folder, 0o755) != 0, errno != EEXIST { throw .system("make the folder", folder) }
    }

    /// Makes the names in the folder of `path` survive a power cut.
    public static func syncFolder(of path: String) throws(StorageError) {
        let folder = folder(of: path)
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("sync", folder) }
    }
}
