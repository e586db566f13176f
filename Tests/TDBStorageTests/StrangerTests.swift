// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CTDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// A path that names something else than a store: it is refused by name, and nothing happens to it.
    @Suite(.slow) struct StrangerTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        /// What an operator's slip may find at one of the store's names.
        enum Stranger: String, CaseIterable {
            case folder, fullFolder, pipe, socket, device, text, zerosAndText, diskImage, otherProgramsTable
            case link, linkToStore, danglingLink, loop

            /// What the refusal says.
            var word: String {
                switch self {
                case .folder, .fullFolder: "is a folder"
                case .pipe: "is a pipe"
                case .socket: "is a socket"
                case .device: "is a device"
                case .link, .linkToStore, .danglingLink, .loop: "is a symbolic link"
                default: "is no "
                }
            }
        }

        static let suffixes = ["", ".journal-0", ".journal-1", ".lock", ".new", ".journal-0.new"]

        /// False if the system does not let us make it.
        private func put(_ stranger: Stranger, at path: String) throws -> Bool {
            switch stranger {
            case .folder: return mkdir(path, 0o700) == 0
            case .fullFolder:
                guard mkdir(path, 0o700) == 0 else { return false }
                return close(open(path + "/precious", O_WRONLY | O_CREAT, 0o600)) == 0
            case .pipe: return mkfifo(path, 0o600) == 0
            case .socket: return mknod(path, S_IFSOCK | 0o600, 0) == 0
            // /dev/zero
            case .device: return mknod(path, S_IFCHR | 0o600, 1 << 8 | 5) == 0
            case .text: try put(Array("root:x:0:0:root:/root:/bin/sh\n".utf8), at: path)
            case .zerosAndText: try put([UInt8](repeating: 0, count: 512) + Array("CD001".utf8), at: path)
            case .diskImage:
                try put(Array("a disk".utf8), at: path)
                return truncate(path, 6 << 30) == 0
            case .otherProgramsTable: try shelf.makeTable(at: path, ["INFO/version": "2", "SECRETS/SID": "S-1-5-21"])
            case .link:
                try put(Array("precious".utf8), at: shelf.folder.file("precious"))
                return symlink(shelf.folder.file("precious"), path) == 0
            case .linkToStore:
                guard rename(path, path + "-elsewhere") == 0 || errno == ENOENT else { return false }
                return symlink(path + "-elsewhere", path) == 0
            case .danglingLink: return symlink(shelf.folder.file("nothing"), path) == 0
            case .loop: return symlink(path, path) == 0
            }
            return true
        }

        private func put(_ bytes: [UInt8], at path: String) throws {
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            defer { close(file) }
            try #require(bytes.withUnsafeBytes { WholeFile.write($0, to: file, at: 0) })
        }

        /// All that is in the folder: names, kinds, and whose bytes they are.
        private func scene() -> [String] {
            shelf.names.map { name in
                var status = stat()
                lstat(shelf.folder.file(name), &status)
                return "\(name) \(status.st_mode) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_nsec)"
            }
        }

        @Test(arguments: Stranger.allCases, suffixes)
        func aStrangerIsRefusedAndLeftAlone(stranger: Stranger, suffix: String) throws {
            // Of what was never synced it could be what power loss has left.
            if stranger == .zerosAndText, !["", ".lock"].contains(suffix) { return }
            try shelf.serve { $0.fill() }
            if stranger != .linkToStore { unlink(shelf.path + suffix) }
            guard try put(stranger, at: shelf.path + suffix) else { return }
            let before = scene()
            let name = shelf.path + suffix
            func expectRefusal(_ what: String, _ body: () throws -> Void) {
                do {
                    try body()
                    Issue.record("\(what): \(stranger) at '\(suffix)' is taken")
                } catch {
                    let text = "\(error)"
                    #expect(text.contains("'\(name)' \(stranger.word)"), "\(what): \(text)")
                }
                #expect(scene() == before, "\(what)")
            }
            expectRefusal("start") { try shelf.serve { _ in } }
            expectRefusal("--check-config") { try shelf.storage().survey { _ in } }
            expectRefusal("--check-store") {
                let report = try TDB.check(shelf.path)
                #expect(!report.isGood)
                throw StorageError(report.text)
            }
            expectRefusal("--repair-store") { _ = try TDB.repair(shelf.path) }
        }

        /// What the built daemon says and does with a path that is a slip.
        @Test(arguments: [Stranger.fullFolder, .text, .pipe, .device, .link])
        func theDaemonReportsAStranger(stranger: Stranger) throws {
            guard try put(stranger, at: shelf.path) else { return }
            let before = scene()
            for (options, status) in [
                (["-N"], 2), (["--check-config"], 2), (["--check-store", shelf.path], 1),
                (["--repair-store", shelf.path], 1),
            ] as [([String], Int32)] {
                let settings = ["--set", "storage=tdb", "--set", "storage.tdb.path=\(shelf.path)"]
                let result = try run(
                    [built("sxenstored")] + settings + options,
                    environment: ["XENSTORED_RUNDIR": shelf.folder.file("run")])
                #expect(result.status == status, "\(options): \(result)")
                let said = result.output + result.errors
                #expect(said.contains("'\(shelf.path)' \(stranger.word)"), "\(options): \(result)")
                #expect(!said.contains("foreign("))
                #expect(scene() == before, "\(options)")
            }
        }

        @Test(arguments: [".repaired", ".repaired.new"])
        func aRepairOverwritesNoStranger(suffix: String) throws {
            try shelf.serve { $0.fill() }
            try put(Array("precious".utf8), at: shelf.path + suffix)
            let before = scene()
            #expect(throws: StorageError.self) { try TDB.repair(shelf.path) }
            #expect(scene() == before)
        }

        /// A repair of a file that no daemon uses leaves no more than what it says.
        @Test func aRepairLeavesNoLock() throws {
            try shelf.put(Array("TDB file\n".utf8))
            #expect(throws: StorageError.self) { try TDB.repair(shelf.path) }
            #expect(shelf.names == ["store"])
            unlink(shelf.path)
            try shelf.serve { $0.fill() }
            _ = try TDB.repair(shelf.path)
            #expect(shelf.names.contains("store.lock"), "a daemon has used it")
        }

        @Test func aJournalIsReportedAsAJournal() throws {
            try shelf.serveAndDie { $0.fill() }
            let journal = shelf.path + ".journal-0"
            let report = try TDB.check(journal)
            #expect(report.text == "'\(journal)' is a journal; name the file of the store")
        }

        @Test func aPathBelowAFileIsRefused() throws {
            try put(Array("precious".utf8), at: shelf.folder.file("file"))
            for path in ["file/store", "file/deep/store"].map(shelf.folder.file) {
                let storage = try TDB(ConfigurationBlock(defaultsOf: TDB.keys).with("path", .text(path)))
                let error = #expect(throws: ConfigurationError.self) { try storage.survey { _ in } }
                #expect(error?.problem.contains("'\(shelf.folder.file("file"))' is no folder") == true)
            }
        }

        @Test(arguments: ["/", "/.", "/..", "//"])
        func aPathWithASlashAtItsEndIsRefused(end: String) throws {
            let path = shelf.folder.file("missing") + end
            let storage = try TDB(ConfigurationBlock(defaultsOf: TDB.keys).with("path", .text(path)))
            #expect(throws: ConfigurationError.self) { try storage.survey { _ in } }
            #expect(throws: StorageError.self) { try EmbeddedHost(storage: storage) }
            #expect(shelf.names == [])
        }

        /// Paths that work, but lose more than an operator would expect.
        @Test func doubtfulPathsAreWarnedOf() throws {
            func warnings(_ path: String, _ values: [String: ConfigurationValue] = [:]) throws -> [String] {
                var block = ConfigurationBlock(defaultsOf: TDB.keys).with("path", .text(path))
                for (key, value) in values { block = block.with(key, value) }
                var all: [String] = []
                try TDB(block).survey { all.append($0.problem) }
                return all
            }
            for name in ["tdb", "tdb-2", "tdb/store"] {
                let text = try warnings("/var/lib/xenstored/\(name)").first ?? ""
                #expect(text.contains("(rm -f /var/lib/xenstored/tdb*)"), "\(name)")
            }
            #expect(try warnings("/var/lib/xenstored/store") == [])
            let memory = try TemporaryFolder.inMemory()
            #expect(try warnings(memory.file("a/b/store")) == [])
            guard memory.path.hasPrefix("/dev/shm") else { return }
            for (key, value) in ["sync": .text("commit"), "outlives-boot": .flag(true)] as [String: ConfigurationValue]
            {
                let text = try warnings(memory.file("a/b/store"), [key: value]).first ?? ""
                #expect(text.contains("'\(key): ") && text.contains("needs a disk"), "\(text)")
            }
        }

        /// What power loss leaves of a file that was being written.
        @Test(arguments: [0, 1, 24, 4096, 300_000])
        func emptyAndZeroedStoresAreSetAside(size: Int) throws {
            try shelf.put([UInt8](repeating: 0, count: size))
            try shelf.put([UInt8](repeating: 0, count: size), ".journal-1")
            try shelf.storage().survey { _ in }
            #expect(try !TDB.check(shelf.path).isGood)
            try shelf.serve { #expect($0.write("/a", "b") == .ok) }
            #expect(shelf.asides.count == 1)
        }

        /// A power cut has left one record of a table that was being written again, and not all of it.
        @Test(arguments: ["/client/a", "note:domain/5"])
        func aTornDraftIsOurs(key: String) throws {
            try shelf.serve { #expect($0.write("/a", "b") == .ok) }
            try shelf.makeTable(at: shelf.path + ".new", [key: String(repeating: "\0", count: 60)])
            try shelf.serve { #expect($0.read("/a") == .text("b")) }
        }

        /// A store of C xenstored's, which stands at the very place that is the default.
        @Test func anotherDaemonsStoreIsSetAside() throws {
            try shelf.serve { $0.fill() }
            var bytes = try shelf.bytes()
            bytes[TableLayout.versionOffset] += 1
            try shelf.put(bytes)
            try shelf.storage().survey { _ in }
            try shelf.serve { #expect($0.write("/a", "b") == .ok) }
            #expect(shelf.asides.count == 1)
        }

        /// A process that keeps the file locked for good.
        @Test func aStoreThatStaysLockedIsReported() throws {
            try shelf.serve { $0.fill() }
            let other = open(shelf.path, O_RDWR)
            defer { close(other) }
            #expect(FileLock.take(other, F_WRLCK))
            do throws(TableProblem) {
                _ = try TableImage(of: shelf.path, patience: 50)
                Issue.record("it is read")
            } catch {
                #expect("\(error)" == "another process keeps '\(shelf.path)' locked")
            }
        }

        /// What takes a journal's place while the daemon runs is not overwritten either.
        @Test func aStrangerInAJournalsPlaceIsNotOverwritten() throws {
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                let journal = try #require(shelf.names.first { $0.contains("journal") })
                try put(Array("precious".utf8), at: shelf.path + "-precious")
                rename(shelf.path + "-precious", shelf.folder.file(journal))
                try shelf.wait(for: "the daemon to see it") { shelf.log.contain("is no journal of a store") }
                #expect(table.write("/refused", "x") == .error(.EIO))
                #expect(shelf.folder.text(of: journal) == "precious")
                #expect(table.host.log.contains { $0.text.contains("'\(shelf.folder.file(journal))' is no journal") })
                unlink(shelf.folder.file(journal))
                try shelf.wait(for: "the journal") { shelf.log.contain("have all changes that were in memory only") }
                #expect(table.write("/second", "x") == .ok)
            }
        }
    }
#endif
