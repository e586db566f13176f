// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

/// READ, WRITE, MKDIR, RM, DIRECTORY and DIRECTORY_PART, as dom0 sees them.
@Suite final class TreeTests: HouseSuite {
    @Test func startsWithTheInitialTree() {
        #expect(dom0.list("/") == .names("tool"))
        #expect(dom0.list("/tool") == .names("xenstored"))
        for path in ["/", "/tool", "/tool/xenstored", "@introduceDomain"] {
            #expect(dom0.permissions(path) == .text("n0|"))
        }
        #expect(dom0.permissions("@releaseDomain") == .text("n0|r32757|"))
    }

    @Test func valuesHoldAnyBytes() {
        let value = Array(0...255 as ClosedRange<UInt8>) + [0, 0]
        #expect(dom0.ask(number: Operation.write.rawValue, Array("/v\0".utf8) + value) == .ok)
        dom0.client.send(Operation.read.rawValue, Array("/v\0".utf8))
        house.host.settle()
        #expect(dom0.client.takeMessages().map(\.payload) == [value])
    }

    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 39, 40, 41, 2047, 2048, 4091])
    func valuesOfAnyLengthReplaceEachOther(length: Int) {
        for other in [0, 20, 21, 4000, length] {
            dom0.write("/abc", String(repeating: "o", count: other))
            dom0.write("/abc", String(repeating: "x", count: length))
            #expect(dom0.read("/abc") == .text(String(repeating: "x", count: length)))
            #expect(dom0.list("/") == .names("tool", "abc"))
        }
        house.expectSound()
    }

    @Test func writeMakesParentsWithoutValues() {
        #expect(dom0.write("/a/b/c", "v") == .ok)
        #expect(dom0.read("/a") == .text(""))
        #expect(dom0.read("/a/b") == .text(""))
        #expect(dom0.list("/a/b") == .names("c"))
    }

    @Test func mkdirLeavesValuesAlone() {
        dom0.write("/a", "v")
        #expect(dom0.mkdir("/a") == .ok)
        #expect(dom0.read("/a") == .text("v"))
    }

    @Test func theRootHasAValue() {
        #expect(dom0.write("/", "v") == .ok)
        #expect(dom0.read("/") == .text("v"))
    }

    @Test func aMissingNodeIsENOENT() {
        for operation in [.read, .directory, .getPermissions] as [Operation] {
            #expect(dom0.ask(operation, "/none\0") == .error(.ENOENT))
        }
        #expect(dom0.ask(.directoryPart, "/none\00\0") == .error(.ENOENT))
        #expect(dom0.ask(.setPermissions, "/none\0n0\0") == .error(.ENOENT))
        #expect(dom0.permissions("@none") == .error(.ENOENT))
    }

    @Test func removingWhatIsMissingIsFineBelowAParent() {
        #expect(dom0.rm("/tool/none") == .ok)
        #expect(dom0.rm("/none/none") == .error(.ENOENT))
    }

    @Test func removalTakesEverythingBelow() {
        dom0.write("/a/b/c", "1")
        dom0.write("/a/d", "2")
        #expect(dom0.rm("/a") == .ok)
        for path in ["/a", "/a/b", "/a/b/c", "/a/d"] { #expect(dom0.read(path) == .error(.ENOENT)) }
        dom0.mkdir("/a")
        #expect(dom0.list("/a") == .text(""))
    }

    @Test func removalLeavesTheParentsValue() {
        dom0.write("/a", "v")
        dom0.write("/a/b", "w")
        dom0.rm("/a/b")
        #expect(dom0.read("/a") == .text("v"))
    }

    @Test func theRootStays() {
        #expect(dom0.rm("/") == .error(.EINVAL))
    }

    @Test func childrenStandInTheOrderOfCreation() {
        for name in ["z", "a", "m", "b"] { dom0.write("/d/\(name)") }
        #expect(dom0.list("/d") == .names("z", "a", "m", "b"))
        dom0.rm("/d/a")
        #expect(dom0.list("/d") == .names("z", "m", "b"))
        dom0.write("/d/a")
        dom0.write("/d/m", "changed")
        #expect(dom0.list("/d") == .names("z", "m", "b", "a"))
    }

    @Test func prefixesOfNamesAreOtherNames() {
        dom0.write("/d/ab", "1")
        dom0.write("/d/a", "2")
        dom0.write("/d/a/b", "3")
        #expect(dom0.read("/d/ab") == .text("1"))
        #expect(dom0.read("/d/a/b") == .text("3"))
        dom0.rm("/d/a")
        #expect(dom0.read("/d/ab") == .text("1"))
    }

    // MARK: Long directories

    /// 256 names of 15 bytes and a NUL make 4096 bytes: the most that one reply holds. XSA-72.
    @Test func directoryUpTo4096BytesThenE2BIG() {
        let names = (0..<256).map { "n" + String(repeating: "0", count: 14 - "\($0)".count) + "\($0)" }
        for name in names { dom0.mkdir("/d/\(name)") }
        #expect(dom0.list("/d") == .text(names.map { "\($0)|" }.joined()))
        dom0.mkdir("/d/x")
        #expect(dom0.list("/d") == .error(.E2BIG))
        let transaction = dom0.start()
        #expect(dom0.list("/d", in: transaction) == .error(.E2BIG))
        dom0.rm("/d/x", in: transaction)
        #expect(dom0.list("/d", in: transaction) == .text(names.map { "\($0)|" }.joined()))
    }

    @Test(arguments: [false, true])
    func partsMakeUpTheWhole(inTransaction: Bool) throws {
        let names = (0..<1000).map { "name-\($0 * 7919)" }
        for name in names { dom0.mkdir("/d/\(name)") }
        let transaction = inTransaction ? dom0.start() : 0
        var all = ""
        var parts = 0
        while !all.hasSuffix("||") {
            let text = try part("/d", "\(all.utf8.count)", in: transaction)
            let bar = try #require(text.firstIndex(of: "|"))
            #expect(text.utf8.count <= 4096)
            all += text[text.index(after: bar)...]
            parts += 1
            try #require(parts < 100)
        }
        #expect(all == names.map { "\($0)|" }.joined() + "|")
    }

    @Test(arguments: [
        ("0", "a|bc||"), ("2", "bc||"), ("3", "c||"), ("5", "|"), ("99", "|"), ("-1", "|"), ("junk", "a|bc||"),
        ("", "a|bc||"), ("99999999999999999999999", "|"), ("-99999999999999999999999", "|"),
    ])
    func partBeginsAtAnOffset(offset: String, names: String) throws {
        dom0.mkdir("/d/a")
        dom0.mkdir("/d/bc")
        #expect(try part("/d", offset).drop { $0 != "|" }.dropFirst() == names)
    }

    @Test func partOfAnEmptyDirectoryIsItsEnd() throws {
        dom0.mkdir("/d")
        #expect(try part("/d", "0") == "\(generation("/d"))||")
    }

    /// The number before the names: it changes with the node, not with what its children hold.
    @Test func generationTellsOfChanges() throws {
        dom0.write("/d/a")
        var last = try generation("/d")
        func isNew() throws -> Bool {
            let now = try generation("/d")
            defer { last = now }
            return now > last
        }
        dom0.write("/d", "v")
        #expect(try isNew(), "value")
        dom0.mkdir("/d/b")
        #expect(try isNew(), "new child")
        dom0.rm("/d/b")
        #expect(try isNew(), "lost child")
        dom0.setPermissions("/d", "r0")
        #expect(try isNew(), "permissions")
        dom0.write("/d/a", "v")
        dom0.mkdir("/d/a/b")
        dom0.rm("/d/none")
        #expect(try !isNew(), "a child's value and children")
    }

    /// What DIRECTORY_PART answers from `offset` on.
    private func part(_ path: String, _ offset: String, in transaction: UInt32 = 0) throws -> String {
        guard case .text(let text) = dom0.ask(.directoryPart, "\(path)\0\(offset)\0", in: transaction) else {
            throw NoAnswer()
        }
        return text
    }

    private func generation(_ path: String) throws -> UInt64 {
        try #require(UInt64(try part(path, "0").prefix { $0 != "|" }))
    }

    private struct NoAnswer: Error {}
}
