// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CTDB
    import Glibc
    import TestSupport
    import XenStorePlugin
    import XenStoreTestKit
    import XenStoreWire

    @testable import JournaledStorage
    @testable import TDBStorage

    /// A folder with a store in it.
    final class Shelf {
        let folder: TemporaryFolder
        let path: String
        /// What the storage has logged.
        let log = LogLines()

        init(in folder: TemporaryFolder? = nil) throws {
            self.folder = try folder ?? .inMemory()
            path = self.folder.file("store")
        }

        /// A daemon's storage over the store.
        func storage(_ values: [String: ConfigurationValue] = [:], boot: String? = nil) throws -> TDB {
            var block = ConfigurationBlock(defaultsOf: TDB.keys).with("path", .text(path)).with(
                "hash-size", .number(31))
            for (key, value) in values { block = block.with(key, value) }
            block.log = log.log
            let storage = try TDB(block)
            if let boot { storage.boot = { boot } }
            return storage
        }

        /// Runs a kernel over the store, and closes it.
        @discardableResult
        func serve<Result>(
            _ values: [String: ConfigurationValue] = [:], boot: String? = nil, _ body: (Caller) throws -> Result
        ) throws -> Result {
            let storage = try storage(values, boot: boot)
            defer { storage.close() }
            return try body(EmbeddedHost(storage: storage).caller(0))
        }

        /// Runs a kernel over the store, and ends as if it was killed.
        func serveAndDie(_ values: [String: ConfigurationValue] = [:], _ body: (Caller) throws -> Void) throws {
            let storage = try storage(values)
            defer { storage.abandon() }
            try body(EmbeddedHost(storage: storage).caller(0))
        }

        /// Waits for what another thread or process does.
        func wait(for what: String, until isSo: () throws -> Bool) throws {
            let deadline = Deadline()
            while try !isSo() {
                if deadline.milliseconds == 0 { throw Trouble("not in time: \(what); \(names), \(log.all)") }
                poll(nil, 0, 2)
            }
        }

        /// Waits until all that has changed is in the table.
        func waitForFold() throws {
            try wait(for: "a fold") { try !TDB.check(path).text.contains("journals: ") }
        }

        /// What the store's files are called besides the three that every store has.
        var asides: [String] {
            TemporaryFolder.names(in: folder.path).filter { $0.hasPrefix("store.2") && !$0.contains("journal") }
        }

        /// All files of the store, by the end of their names.
        var names: [String] { TemporaryFolder.names(in: folder.path).sorted() }

        func bytes(_ suffix: String = "") throws -> [UInt8] { try WholeFile.read(path + suffix) ?? [] }

        func put(_ bytes: [UInt8], _ suffix: String = "") throws {
            let descriptor = open(path + suffix, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            guard descriptor >= 0, bytes.withUnsafeBytes({ WholeFile.write($0, to: descriptor, at: 0) }) else {
                throw Trouble.system("write")
            }
            close(descriptor)
        }

        /// Makes a TDB file as another program would.
        func makeTable(at path: String, _ records: [String: String]) throws {
            try LibTDB.opening.withLock { _ in
                guard let handle = tdb_open(path, 31, 0, O_RDWR | O_CREAT | O_EXCL, 0o600) else {
                    throw Trouble.system("open \(path)")
                }
                for (key, value) in records {
                    Array(key.utf8).withUnsafeBytes { key in
                        Array(value.utf8).withUnsafeBytes { _ = tdb_store(handle, TDB_DATA(key), TDB_DATA($0), 0) }
                    }
                }
                tdb_close(handle)
            }
        }

        /// Has a test use libtdb itself on the file, which no other test may open or close meanwhile.
        func withLibTDB(creating: Bool = false, _ body: (OpaquePointer) -> Void) throws {
            try LibTDB.opening.withLock { _ in
                let flags = O_RDWR | (creating ? O_CREAT : 0)
                guard let handle = tdb_open(path, 31, 0, flags, 0o600) else { throw Trouble.system("open \(path)") }
                body(handle)
                tdb_close(handle)
            }
        }

        /// Removes all files.
        func clear() { for name in names { unlink(folder.file(name)) } }
    }

    extension Caller {
        /// Some nodes, more or less nested.
        func fill(_ count: Int = 20) {
            for index in 0..<count { write("/top/\(index % 4)/node-\(index)", "value of \(index)") }
        }
    }
#endif
