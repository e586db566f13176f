// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Which paths there are.
@Suite final class PathTests: DaemonSuite {
    /// Every operation that takes a path, with what follows it.
    static let operations: [(op: Op, rest: String)] = [
        (.read, ""), (.directory, ""), (.directoryPart, "0\0"), (.getPerms, ""), (.write, "v"), (.mkdir, ""), (.rm, ""),
        (.setPerms, "n0\0"), (.watch, "t\0"), (.unwatch, "t\0"),
    ]

    @Test(arguments: [
        "", "//", "/a/", "a/", "/a//b", "a//b", "//a", "/a/b/", "/local/domain/", "/a b", "/a.b", "/.", "/..", "/a:b",
        "/a%20", "/ä", "/a\n", " /a", "/a\u{7f}", "/local/domain//x", "@", "@/", "@a/", "@a//b", "@a b", "@a.b",
    ]) func refusesAnInvalidPath(path: String) throws {
        for (op, rest) in PathTests.operations {
            // The at sign alone is the name of a special node, of one that nobody has made.
            if path == "@", [.watch, .unwatch, .getPerms, .setPerms].contains(op) { continue }
            #expect(try client.ask(op, "\(path)\0\(rest)") == .EINVAL, "\(op)")
        }
    }

    @Test func allowsLettersDigitsAndFourMore() throws {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@"
        for byte in UInt8(1)...255 {
            let path = Array("/p/x".utf8) + [byte] + Array("y".utf8)
            let isAllowed = letters.utf8.contains(byte)
            #expect(try client.ask(.write, bytes: path + [0]) == (isAllowed ? .ok : .EINVAL), "byte \(byte)")
            #expect(
                try client.ask(.watch, bytes: path + Array("\0t\0".utf8)) == (isAllowed ? .ok : .EINVAL), "byte \(byte)"
            )
        }
        let names = try client.ask(.directory, "/p\0").strings
        #expect(names.count == letters.count)
        #expect(try client.ask(.directory, "/p/x\0") == .data("y\0"))
    }

    @Test func takesAnAtSignWithinAName() throws {
        #expect(try client.ask(.write, "/a@b\0v") == .ok)
        #expect(try client.ask(.write, "/@c\0v") == .ok)
        #expect(try client.ask(.directory, "/\0") == .data("tool\0a@b\0@c\0"))
    }

    @Test func startsFromTheHomeOfTheToolstack() throws {
        #expect(try client.ask(.write, "a/b\0v") == .ok)
        #expect(try client.ask(.read, "/local/domain/0/a/b\0") == .data("v"))
        #expect(try client.ask(.write, "/local/domain/0/c\0w") == .ok)
        #expect(try client.ask(.directory, "/local/domain/0\0") == .data("a\0c\0"))
        for (op, rest) in PathTests.operations where op != .unwatch {
            #expect(try client.ask(op, "c\0\(rest)") != .EINVAL, "\(op)")
        }
    }

    @Test(arguments: ["@introduceDomain", "@releaseDomain", "@anything", "@x/y", "@releaseDomain/5"])
    func allowsSpecialNamesOnlyForWatchesAndPermissions(path: String) throws {
        for (op, rest) in PathTests.operations {
            let answer = try client.ask(op, "\(path)\0\(rest)")
            let isAllowed = [.watch, .unwatch, .getPerms, .setPerms].contains(op)
            #expect((answer == .EINVAL) != isAllowed, "\(op): \(answer)")
        }
    }

    // MARK: Lengths

    @Test func mayBeOf3072Bytes() throws {
        let path = "/" + String(repeating: "p", count: 3071)
        #expect(try client.ask(.write, path + "\0v") == .ok)
        #expect(try client.ask(.read, path + "\0") == .data("v"))
        #expect(try client.ask(.watch, path + "\0t\0") == .ok)
        for (op, rest) in PathTests.operations {
            #expect(try client.ask(op, "\(path)p\0\(rest)") == .EINVAL, "\(op)")
        }
    }

    @Test func mayBeOf2048BytesBelowTheHome() throws {
        let path = String(repeating: "p", count: 2048)
        #expect(try client.ask(.write, path + "\0v") == .ok)
        #expect(try client.ask(.read, "/local/domain/0/\(path)\0") == .data("v"))
        #expect(try client.ask(.watch, path + "\0t\0") == .ok)
        for (op, rest) in PathTests.operations {
            #expect(try client.ask(op, "\(path)p\0\(rest)") == .EINVAL, "\(op)")
        }
    }

    /// XSA-418: depth must not be a matter of the stack.
    @Test func mayBeVeryDeep() throws {
        let path = String(repeating: "/d", count: 1500)
        #expect(try client.ask(.watch, "/d\0t\0") == .ok)
        #expect(try client.allEvents() == [Event("/d", "t")])
        #expect(try client.ask(.write, path + "\0v") == .ok)
        #expect(try client.ask(.read, path + "\0") == .data("v"))
        #expect(try client.ask(.control, "check\0") == .ok)
        #expect(try client.ask(.rm, "/d\0") == .ok)
        #expect(try client.allEvents() == [Event(path, "t"), Event("/d", "t")])
        #expect(try client.ask(.read, "/d\0") == .ENOENT)
    }
}
