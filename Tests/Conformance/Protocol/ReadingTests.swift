// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// READ, DIRECTORY, and what is there from the start.
@Suite final class ReadingTests: DaemonSuite {
    @Test func startsWithTheToolsFolder() throws {
        #expect(try client.ask(.directory, "/\0") == .data("tool\0"))
        #expect(try client.ask(.directory, "/tool\0") == .data("xenstored\0"))
        #expect(try client.ask(.directory, "/tool/xenstored\0") == .data(""))
        for path in ["/", "/tool", "/tool/xenstored"] {
            #expect(try client.ask(.getPerms, "\(path)\0") == .data("n0\0"))
            #expect(try client.ask(.read, "\(path)\0") == .data(""))
        }
    }

    @Test func readsAnEmptyValueAndAWholeOne() throws {
        #expect(try client.ask(.write, "/a\0") == .ok)
        #expect(try client.ask(.read, "/a\0") == .data(""))
        #expect(try client.ask(.write, "/a\0some value") == .ok)
        #expect(try client.ask(.read, "/a\0") == .data("some value"))
    }

    @Test(arguments: [Op.read, .directory, .getPerms])
    func aMissingNodeIsENOENT(op: Op) throws {
        #expect(try client.ask(op, "/nowhere\0") == .ENOENT)
        #expect(try client.ask(op, "/nowhere/at/all\0") == .ENOENT)
        #expect(try client.ask(op, "nowhere\0") == .ENOENT)
        #expect(try client.ask(op, "/tool/xenstored/x\0") == .ENOENT)
        #expect(try client.ask(.directoryPart, "/nowhere\00\0") == .ENOENT)
    }

    @Test func listsInTheOrderOfCreation() throws {
        for name in ["zebra", "ant", "9", "Bee", "cow"] { _ = try client.ask(.write, "/zoo/\(name)\0v") }
        #expect(try client.ask(.directory, "/zoo\0") == .data("zebra\0ant\09\0Bee\0cow\0"))
        _ = try client.ask(.rm, "/zoo/9\0")
        #expect(try client.ask(.directory, "/zoo\0") == .data("zebra\0ant\0Bee\0cow\0"))
        _ = try client.ask(.mkdir, "/zoo/9\0")
        _ = try client.ask(.write, "/zoo/zebra\0again")
        #expect(try client.ask(.directory, "/zoo\0") == .data("zebra\0ant\0Bee\0cow\09\0"))
        _ = try client.ask(.rm, "/zoo/zebra\0")
        #expect(try client.ask(.directory, "/zoo\0") == .data("ant\0Bee\0cow\09\0"))
    }

    @Test func doesNotListSpecialNodes() throws {
        _ = try client.ask(.setPerms, "@releaseDomain\0n0\0")
        #expect(try client.ask(.directory, "/\0") == .data("tool\0"))
    }

    @Test func aLeafHasNoChildren() throws {
        _ = try client.ask(.write, "/leaf\0v")
        #expect(try client.ask(.directory, "/leaf\0") == .data(""))
    }
}

/// Directories too long for one reply.
@Suite final class DirectoryPartTests: DaemonSuite {
    private func part(_ path: String, _ offset: String) throws -> (generation: String, rest: [UInt8]) {
        let bytes = try client.ask(.directoryPart, "\(path)\0\(offset)\0").bytes
        let end = try #require(bytes.firstIndex(of: 0))
        return (String(decoding: bytes[..<end], as: UTF8.self), Array(bytes[(end + 1)...]))
    }

    @Test func marksTheEndWithAnEmptyName() throws {
        for name in ["one", "two", "three"] { _ = try client.ask(.mkdir, "/d/\(name)\0") }
        let list = Array("one\0two\0three\0".utf8)
        for offset in 0...list.count + 2 {
            #expect(try part("/d", "\(offset)").rest == Array(list.dropFirst(offset)) + [0], "from \(offset)")
        }
        #expect(try part("/d", "-1").rest == [0])
        #expect(try part("/d", "99999999999999999999").rest == [0])
        for text in ["", "x", "0", "+0", "0x4"] { #expect(try part("/d", text).rest == list + [0], "from \(text)") }
    }

    @Test func isJustTheMarkForAnEmptyDirectory() throws {
        _ = try client.ask(.mkdir, "/d\0")
        #expect(try part("/d", "0").rest == [0])
        #expect(try part("/d", "5").rest == [0])
    }

    @Test func givesWholeNamesWhileTheyFit() throws {
        // Of all lengths, so that the parts end at all kinds of places.
        let names = (0..<600).map { "\($0)" + String(repeating: "x", count: $0 % 29) }
        for name in names { _ = try client.ask(.mkdir, "/d/\(name)\0") }
        #expect(try client.ask(.directory, "/d\0") == .E2BIG)
        let list: [UInt8] = names.flatMap { Array("\($0)\0".utf8) }
        var collected: [UInt8] = []
        var parts = 0
        let generation = try part("/d", "0").generation
        while true {
            let part = try part("/d", "\(collected.count)")
            #expect(part.generation == generation)
            let room = 4096 - generation.utf8.count - 2
            if collected.count + part.rest.count > list.count {
                #expect(part.rest.count <= room + 1)
                collected += part.rest
                break
            }
            #expect(part.rest.count <= room)
            #expect(part.rest.last == 0, "whole names")
            let next = list[(collected.count + part.rest.count)...].prefix { $0 != 0 }.count + 1
            #expect(part.rest.count + next > room, "one more name would not have fitted")
            collected += part.rest
            parts += 1
        }
        #expect(parts > 1)
        #expect(collected == list + [0])
    }

    /// A client that sees another generation starts again.
    @Test func tellsTheGenerationWhichChangesWithTheNode() throws {
        _ = try client.ask(.write, "/d/child/grandchild\0v")
        var last = try client.generation(of: "/d")
        func changes(_ op: Op, _ payload: String) throws -> Bool {
            _ = try client.ask(op, payload)
            let now = try client.generation(of: "/d")
            defer { last = now }
            return now != last
        }
        #expect(try !changes(.read, "/d\0"))
        #expect(try changes(.write, "/d\0value"))
        #expect(try changes(.write, "/d/second\0v"))
        #expect(try changes(.mkdir, "/d/third\0"))
        #expect(try changes(.rm, "/d/third\0"))
        #expect(try changes(.setPerms, "/d\0r0\0"))
        #expect(try !changes(.mkdir, "/d/child\0"), "it is there")
        #expect(try !changes(.write, "/d/child\0value"))
        #expect(try !changes(.setPerms, "/d/child\0r0\0"))
        #expect(try !changes(.write, "/d/child/another\0v"))
        #expect(try !changes(.rm, "/d/child/another\0"))
        #expect(try !changes(.rm, "/d/nowhere\0"))
    }
}
