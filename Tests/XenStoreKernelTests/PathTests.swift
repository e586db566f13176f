// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@Suite struct PathTests {
    private static let withPath: [(Operation, String)] = [
        (.read, "\0"), (.directory, "\0"), (.directoryPart, "\0" + "0\0"), (.getPermissions, "\0"), (.write, "\0v"),
        (.makeDirectory, "\0"), (.remove, "\0"), (.setPermissions, "\0n0\0"), (.watch, "\0t\0"), (.unwatch, "\0t\0"),
    ]
    private static let bad = [
        "", "/a/", "//", "//a", "/a//b", "a/", "a//b", "/a b", "/a.b", "/a\n", "/é", "/a:b", "/a,b", "/a*", "/a\\b",
        "/local/domain/", "@", "@a/", "@a//b", "@a b",
    ].filter { $0 != "@" }

    @Test(arguments: withPath)
    func anInvalidPathIsRefused(operation: Operation, rest: String) throws {
        let house = try House()
        for path in PathTests.bad {
            #expect(house.dom0.ask(operation, path + rest) == .error(.EINVAL), "\(operation) \(path)")
            #expect(house.guest(5).ask(operation, path + rest) == .error(.EINVAL), "guest \(operation) \(path)")
        }
    }

    @Test(arguments: 0...255 as ClosedRange<UInt8>)
    func allowsLettersDigitsAndFourSigns(byte: UInt8) throws {
        let house = try House()
        let allowed = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_@/".utf8).contains(byte)
        // A slash makes two names of one; a NUL ends the path.
        let expected: Reply = allowed || byte == 0 ? .ok : .error(.EINVAL)
        let payload = Array("/a".utf8) + [byte] + Array("b\0".utf8)
        #expect(house.dom0.ask(number: Operation.write.rawValue, payload) == expected)
    }

    @Test func signsMayStandInNames() throws {
        let house = try House()
        house.dom0.write("/a@b/-/_/@", "x")
        #expect(house.dom0.read("/a@b/-/_/@") == .text("x"))
    }

    @Test func isRelativeToTheCallersHome() throws {
        let house = try House()
        house.guest(5).write("a/b", "guest")
        house.dom0.write("a/b", "host")
        #expect(house.dom0.read("/local/domain/5/a/b") == .text("guest"))
        #expect(house.dom0.read("/local/domain/0/a/b") == .text("host"))
    }

    @Test func specialsAreNotInTheTree() throws {
        let house = try House()
        for operation in [.read, .directory, .makeDirectory, .remove] as [Operation] {
            #expect(house.dom0.ask(operation, "@releaseDomain\0") == .error(.EINVAL))
        }
        #expect(house.dom0.ask(.write, "@releaseDomain\0x") == .error(.EINVAL))
        #expect(house.dom0.ask(.directoryPart, "@releaseDomain\0" + "0\0") == .error(.EINVAL))
        #expect(house.dom0.list("/") == .names("tool"))
    }

    @Test func specialsMayBeWatchedByAnyName() throws {
        let dom0 = try House().dom0
        for name in ["@releaseDomain", "@releaseDomain/5", "@nothing", "@a/b-c_d@e"] {
            #expect(dom0.watch(name) == .ok)
            #expect(dom0.takeEvents() == ["\(name)|t|"])
            #expect(dom0.unwatch(name) == .ok)
        }
    }

    @Test(arguments: [(0, 3072, true), (0, 3073, false)] as [(UInt16, Int, Bool)])
    func absoluteHas3072BytesForEveryone(domain: UInt16, length: Int, isAllowed: Bool) throws {
        let house = try House(limits: [.pathMax: 0])
        let path = "/" + String(repeating: "a/", count: length / 2 - 1) + String(repeating: "b", count: length % 2 + 1)
        #expect(path.utf8.count == length)
        #expect(house.dom0.write(path) == (isAllowed ? .ok : .error(.EINVAL)))
        #expect(house.dom0.read(path) == (isAllowed ? .text("") : .error(.EINVAL)))
    }

    @Test(arguments: [0, 1, 32751] as [UInt16])
    func relativeHas2048BytesForEveryone(domain: UInt16) throws {
        let house = try House(limits: [.nodeSize: 0])
        let caller = house.guest(domain)
        #expect(caller.write(String(repeating: "a", count: 2048)) == .ok)
        #expect(caller.write(String(repeating: "a", count: 2049)) == .error(.EINVAL))
    }

    /// XSA-323: the same bound for a home of one digit and of five, and however the path is spelled.
    @Test(arguments: [1, 32751] as [UInt16])
    func homeDoesNotCountToTheQuota(domain: UInt16) throws {
        let house = try House(limits: [.pathMax: 10])
        let guest = house.guest(domain)
        let home = "/local/domain/\(domain)/"
        #expect(guest.write("0123456789") == .ok)
        #expect(guest.write(home + "0123456789") == .ok)
        #expect(guest.write("0123456789a") == .error(.EINVAL))
        #expect(guest.write(home + "0123456789a") == .error(.EINVAL))
    }

    @Test func otherPathsOfAGuestCountWhole() throws {
        let house = try House(limits: [.pathMax: 10])
        let guest = house.guest(5)
        #expect(guest.read("/123456789") == .error(.EACCES))
        #expect(guest.read("/1234567890") == .error(.EINVAL))
        #expect(house.dom0.write("/12345678901234567890") == .ok)
    }

    /// XSA-418.
    @Test func mayBeVeryDeep() throws {
        let house = try House()
        let path = String(repeating: "/a", count: 1536)
        house.dom0.listen("/")
        #expect(house.dom0.write(path, "deep") == .ok)
        #expect(house.dom0.read(path) == .text("deep"))
        #expect(house.dom0.rm("/a") == .ok)
        #expect(house.dom0.list("/") == .names("tool"))
        house.expectSound()
    }
}
