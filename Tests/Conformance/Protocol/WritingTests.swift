// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// WRITE, MKDIR, RM.
@Suite final class WritingTests: DaemonSuite {
    @Test func makesTheParentsOfAWrittenNode() throws {
        #expect(try client.ask(.write, "/a/b/c\0v") == .ok)
        #expect(try client.ask(.read, "/a/b/c\0") == .data("v"))
        #expect(try client.ask(.read, "/a/b\0") == .data(""))
        #expect(try client.ask(.directory, "/a\0") == .data("b\0"))
        #expect(try client.ask(.mkdir, "/x/y/z\0") == .ok)
        #expect(try client.ask(.read, "/x/y/z\0") == .data(""))
    }

    @Test func keepsTheChildrenOfAWrittenNode() throws {
        _ = try client.ask(.write, "/a/b\0v")
        #expect(try client.ask(.write, "/a\0w") == .ok)
        #expect(try client.ask(.directory, "/a\0") == .data("b\0"))
        #expect(try client.ask(.read, "/a/b\0") == .data("v"))
    }

    @Test func writesToTheRoot() throws {
        #expect(try client.ask(.write, "/\0value") == .ok)
        #expect(try client.ask(.read, "/\0") == .data("value"))
        #expect(try client.ask(.directory, "/\0") == .data("tool\0"))
        #expect(try client.ask(.mkdir, "/\0") == .ok)
        #expect(try client.ask(.read, "/\0") == .data("value"))
    }

    @Test func mkdirLeavesAnExistingNodeAsItIs() throws {
        _ = try client.ask(.write, "/a/b\0v")
        _ = try client.ask(.setPerms, "/a\0r3\0b4\0")
        #expect(try client.ask(.mkdir, "/a\0") == .ok)
        #expect(try client.ask(.directory, "/a\0") == .data("b\0"))
        #expect(try client.ask(.getPerms, "/a\0") == .data("r3\0b4\0"))
        #expect(try client.ask(.mkdir, "/a/b\0") == .ok)
        #expect(try client.ask(.read, "/a/b\0") == .data("v"))
    }

    @Test func removesAllBelow() throws {
        for path in ["/a/b/c", "/a/b/d/e", "/a/f", "/ab"] { _ = try client.ask(.write, "\(path)\0v") }
        _ = try client.ask(.write, "/a\0value")
        #expect(try client.ask(.rm, "/a/b\0") == .ok)
        #expect(try client.ask(.directory, "/a\0") == .data("f\0"))
        #expect(try client.ask(.read, "/a\0") == .data("value"), "the parent's value is its own")
        #expect(try client.ask(.read, "/a/b/d/e\0") == .ENOENT)
        #expect(try client.ask(.rm, "/a\0") == .ok)
        #expect(try client.ask(.read, "/a/f\0") == .ENOENT)
        #expect(try client.ask(.read, "/ab\0") == .data("v"))
    }

    @Test func removesAMissingNodeIfItsParentExists() throws {
        #expect(try client.ask(.rm, "/nowhere\0") == .ok)
        #expect(try client.ask(.rm, "/tool/nowhere\0") == .ok)
        #expect(try client.ask(.rm, "/nowhere/at/all\0") == .ENOENT)
        #expect(try client.ask(.rm, "nowhere\0") == .ENOENT, "there is no home yet")
    }

    @Test func doesNotRemoveTheRoot() throws {
        #expect(try client.ask(.rm, "/\0") == .EINVAL)
        #expect(try client.ask(.directory, "/\0") == .data("tool\0"))
    }

    @Test func hasNoQuotaForTheToolstack() throws {
        // More and larger than any default allows a guest.
        for index in 0..<1100 { #expect(try client.ask(.mkdir, "/many/\(index)\0") == .ok) }
        #expect(try client.ask(.write, "/large\0" + String(repeating: "v", count: 4000)) == .ok)
        let permissions = (1...50).map { "r\($0)\0" }.joined()
        #expect(try client.ask(.setPerms, "/large\0n0\0" + permissions) == .ok)
        #expect(try client.ask(.getPerms, "/large\0") == .data("n0\0" + permissions))
        for _ in 0..<100 { _ = try client.startTransaction() }
        for index in 0..<300 { #expect(try client.ask(.watch, "/w\0\(index)\0") == .ok) }
    }
}
