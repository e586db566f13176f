// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit
    import XenStoreWire

    @testable import JournaledStorage
    @testable import TDBStorage

    @Suite(.slow) struct StorageTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        @Test(arguments: StorageConformance.Ending.allCases, ["none", "commit"])
        func aReopenedStoreIsTheSame(ending: StorageConformance.Ending, sync: String) throws {
            var last: TDB?
            let kit = StorageConformance(ending: ending) { [shelf] in
                last?.abandon()
                let storage = try shelf.storage(["sync": .text(sync)])
                last = storage
                return storage
            }
            #expect(try kit.problems() == [])
        }

        @Test func oneFileIsLeftAfterAnOrderlyEnd() throws {
            try shelf.serve { $0.fill() }
            #expect(shelf.names == ["store", "store.lock"])
            #expect(try TDB.check(shelf.path).isGood)
        }

        /// A daemon that starts commits a batch in which nothing has changed; what comes after it must not be lost.
        @Test func aBatchWithoutChangesIsFolded() throws {
            try shelf.serve { $0.write("/a", "1") }
            try shelf.serveAndDie { table in
                try shelf.waitForFold()
                table.write("/b", "2")
            }
            try shelf.serve { #expect($0.read("/b") == .text("2")) }
        }

        /// libtdb would walk over ever longer chains.
        @Test func aTableThatGrowsGetsMoreHashChains() throws {
            try shelf.serve { table in
                for number in 0..<2000 { table.write("/node\(number)", String(repeating: "v", count: 200)) }
            }
            #expect(try tdbHashSize() > 1000)
            #expect(try TDB.check(shelf.path).isGood)
            try shelf.serve { #expect($0.read("/node1999") == .text(String(repeating: "v", count: 200))) }
        }

        private func tdbHashSize() throws -> UInt32 {
            try shelf.bytes().withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 36, as: UInt32.self) }
        }

        @Test func nodesAreLaidOutAsInXen() throws {
            let permissions = [
                Permission([], DomainID(3)), Permission([.read, .write], DomainID(0x1234), isStale: true),
            ]
            let bytes = Array("/a".utf8).withUnsafeBytes { path in
                [UInt8](arrayLiteral: 1, 0).withUnsafeBytes { value in
                    StoredNode.bytes(
                        of: NodeRecord(
                            path: path, value: value, permissions: permissions, generation: 0x0102,
                            children: Array("b\0cd\0".utf8)))
                }
            }
            let expected: [UInt8] =
                [2, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0]
                + [3, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 0x13, 0, 0, 0] + [1, 0] + Array("b\0cd\0".utf8) + [
                    0, 0, 0, 0,
                ]
            #expect(bytes == expected)
            try bytes.withUnsafeBytes { bytes in
                let node = try #require(StoredNode(bytes))
                #expect(node.permissions == permissions)
                #expect(node.generation == 0x0102)
                #expect(node.value.elementsEqual([1, 0]))
                #expect(node.childNames.map { String(decoding: $0, as: UTF8.self) } == ["b", "cd"])
                for count in 0..<bytes.count {
                    #expect(StoredNode(UnsafeRawBufferPointer(rebasing: bytes[..<count])) == nil)
                }
            }
        }

        @Test(.enabled(if: access("/usr/bin/tdbdump", X_OK) == 0))
        func toolsReadTheFile() throws {
            try shelf.serve { $0.fill() }
            let dump = try run(["tdbdump", shelf.path])
            #expect(dump.status == 0)
            #expect(dump.output.contains("key(13) = \"/top/3/node-7\"\ndata(42) = "))
            #expect(dump.output.contains("value of 7\\00\\00\\00\\00\""))
            let check = try run(["tdbtool", shelf.path, "check"])
            #expect(check.output.contains("Database integrity is OK"), "\(check)")
        }

        @Test func aRebootSetsTheStoreAside() throws {
            try shelf.serve(boot: "one") { $0.fill() }
            let before = try shelf.bytes()
            try shelf.serve(boot: "two") { #expect($0.list("/") == .text("tool|")) }
            let aside = try #require(shelf.asides.first)
            #expect(try WholeFile.read(shelf.folder.file(aside)) == before)
            try shelf.serve(boot: "two") { $0.write("/new", "x") }
            try shelf.serve(["outlives-boot": .flag(true)], boot: "three") { #expect($0.read("/new") == .text("x")) }
            #expect(shelf.asides.count == 1)
        }

        /// One is left by each boot.
        @Test func theOldestSetAsidesAreRemoved() throws {
            // What only looks like one stays.
            let others = [
                "store.2026-11-22", "store.2026-11-22T20-33-31Z.bak", "store.2020-01-01T00-00-00Z-x", "stores",
            ]
            for name in others { try shelf.folder.write("precious", to: name) }
            try shelf.folder.write("precious", to: "store.2019-01-01T00-00-00Z")
            for boot in 0..<15 {
                try shelf.serve(["set-aside-max": .number(12)], boot: "\(boot)") { $0.write("/boot", "\(boot)") }
                // All within the same second or two: numbers tell them apart, 10 from 9, too.
                utimensat(
                    AT_FDCWD, shelf.path,
                    [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 0)], 0)
            }
            let kept = (3...14).map { "store.1970-01-12T13-46-40Z-\($0)" }
            #expect(Set(shelf.names) == Set(kept + others + ["store", "store.lock", "store.2019-01-01T00-00-00Z"]))
            try shelf.serveAndDie(["set-aside-max": .number(12), "outlives-boot": .flag(true)]) { $0.fill() }
            try shelf.serve(["set-aside-max": .number(1)], boot: "next") { _ in }
            let last = "store.1970-01-12T13-46-40Z-15"
            #expect(shelf.names.filter { $0.contains(".1970") } == [last, "\(last).journal-0", "\(last).journal-1"])
        }

        @Test func aSecondDaemonIsRefused() throws {
            let storage = try shelf.storage()
            let table = try EmbeddedHost(storage: storage).caller(0)
            #expect(throws: StorageError("another daemon, process \(getpid()), uses '\(shelf.path)'")) {
                _ = try EmbeddedHost(storage: shelf.storage())
            }
            #expect(table.write("/still", "there") == .ok)
            storage.close()
            try shelf.serve { #expect($0.read("/still") == .text("there")) }
        }

        /// What is refused leaves nobody else's descriptor closed.
        @Test func aRefusedLockClosesItsDescriptorOnce() async {
            await #expect(processExitsWith: .success) {
                let shelf = try Shelf()
                let storage = try shelf.storage()
                _ = try EmbeddedHost(storage: storage)
                let before = TemporaryFolder.names(in: "/proc/self/fd").count
                for _ in 0..<10 {
                    #expect(throws: StorageError.self) { _ = try EmbeddedHost(storage: shelf.storage()) }
                }
                try #require(TemporaryFolder.names(in: "/proc/self/fd").count == before)
                errno = 0
                _ = try? StoreLock(StoreFiles(shelf.path, of: TableFile.self))
                try #require(errno != EBADF)
                storage.close()
            }
        }

        @Test func onlyCommitsThatSyncArePutOff() throws {
            for (sync, expected) in [("none", 0...0), ("commit", 1...1_000_000)] as [(String, ClosedRange<UInt64>)] {
                let storage = try shelf.storage(["sync": .text(sync)])
                defer { storage.close() }
                #expect(storage.patience == 0, "nothing has been committed yet")
                try EmbeddedHost(storage: storage).caller(0).fill(1)
                #expect(expected.contains(storage.patience))
            }
        }

        /// A sync of a file that has just grown costs the file system a commit of its own.
        @Test func aJournalThatIsSyncedGrowsSeldom() throws {
            try shelf.serveAndDie(["sync": .text("commit")]) { table in
                var sizes: Set<Int> = []
                for number in 0..<20 {
                    table.write("/a", String(repeating: "x", count: number))
                    sizes.insert(try shelf.bytes(".journal-0").count)
                }
                #expect(sizes.count == 1)
                #expect(sizes.allSatisfy { $0 >= 1 << 20 })
            }
            try shelf.serve { #expect($0.read("/a") == .text(String(repeating: "x", count: 19))) }
        }

        /// Where the file may not grow that far, it grows as it can.
        @Test func aJournalDoesNotTakeTheLastRoom() async {
            await #expect(processExitsWith: .success) {
                let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
                var limit = rlimit()
                getrlimit(resource, &limit)
                limit.rlim_cur = 1 << 17
                try #require(setrlimit(resource, &limit) == 0)
                let shelf = try Shelf()
                try shelf.serveAndDie(["sync": .text("commit")]) { table in
                    table.fill()
                    try #require(shelf.bytes(".journal-0").count < 1 << 16)
                }
                // The table cannot grow at all, and a fold that is early would have the next daemon not start.
                limit.rlim_cur = limit.rlim_max
                try #require(setrlimit(resource, &limit) == 0)
                try shelf.serve { try #require($0.read("/top/0/node-0") == .text("value of 0")) }
            }
        }

        @Test func onlyRemovalsWorkAboveTheSizeLimit() throws {
            try shelf.serve(["size-max": .number(100_000)]) { table in
                let value = String(repeating: "x", count: 4000)
                var number = 0
                while number < 100, table.write("/a/\(number)", value) == .ok { number += 1 }
                #expect((3..<100).contains(number))
                #expect(table.write("/b", value) == .error(.EIO))
                #expect(table.rm("/a/0") == .ok)
                #expect(table.host.log.contains { $0.text.contains("larger than size-max allows, 100000 bytes") })
            }
        }
    }

    extension StorageError: Equatable {
        public static func == (a: StorageError, b: StorageError) -> Bool { a.description == b.description }
    }
#endif
