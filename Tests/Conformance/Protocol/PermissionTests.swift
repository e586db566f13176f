// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// GET_PERMS and SET_PERMS, as far as dom0 has to do with them. Who may do what is tested with
/// guests, which have no sockets.
@Suite final class PermissionTests: DaemonSuite {
    override init(_ daemon: Daemon) throws {
        try super.init(daemon)
        _ = try client.ask(.write, "/n\0v")
    }

    @Test(arguments: [
        "n0\0", "r0\0", "w0\0", "b0\0", "n5\0", "b5\0r6\0", "n0\0r1\0w2\0b3\0n4\0", "n0\0r32757\0", "r0\0b32757\0n1\0",
        "n65535\0", "n0\0r65535\0", "n0\0r1\0w1\0", "n1\0n1\0", "n32752\0",
    ]) func keepsPermissionsAsGiven(list: String) throws {
        #expect(try client.ask(.setPerms, "/n\0" + list) == .ok)
        #expect(try client.ask(.getPerms, "/n\0") == .data(list))
        #expect(try client.ask(.read, "/n\0") == .data("v"))
    }

    @Test(arguments: [
        "x0", "N0", "0", "n", "", "n0x", "n 0", "n+0", "n-1", "n0x10", "n65536", "n4294967296", "n99999999999999999999",
        "rw0", "n1.0", "r 1", "\n0",
    ]) func refusesTextThatIsNoPermission(entry: String) throws {
        #expect(try client.ask(.setPerms, "/n\0\(entry)\0") == .EINVAL)
        #expect(try client.ask(.setPerms, "/n\0n0\0\(entry)\0") == .EINVAL)
        #expect(try client.ask(.setPerms, "/n\0n0\0\(entry)\0r1\0") == .EINVAL)
        #expect(try client.ask(.getPerms, "/n\0") == .data("n0\0"))
    }

    @Test func wantsAPathAndAnEntry() throws {
        for payload in ["", "/n", "/n\0", "/n\0n0"] { #expect(try client.ask(.setPerms, payload) == .EINVAL) }
    }

    /// DOMID_ANY stands for every domain, and none of them owns the node.
    @Test func refusesAnyDomainAsOwner() throws {
        #expect(try client.ask(.setPerms, "/n\0n32757\0") == .ENOMEM)
        #expect(try client.ask(.getPerms, "/n\0") == .data("n0\0"))
    }

    @Test func doesNotFindTheNode() throws {
        #expect(try client.ask(.setPerms, "/nowhere\0n0\0") == .ENOENT)
        #expect(try client.ask(.setPerms, "@nowhere\0n0\0") == .ENOENT)
        #expect(try client.ask(.getPerms, "@nowhere\0") == .ENOENT)
        #expect(try client.ask(.getPerms, "@releaseDomain/5\0") == .ENOENT)
    }

    /// The node comes last: its entries are looked at first.
    @Test func looksAtTheEntriesFirst() throws {
        #expect(try client.ask(.setPerms, "/nowhere\0x0\0") == .EINVAL)
        #expect(try client.ask(.setPerms, "//\0n0\0") == .EINVAL)
    }

    @Test func inheritsAllPermissionsOfTheParent() throws {
        #expect(try client.ask(.setPerms, "/n\0b3\0r5\0w7\0") == .ok)
        #expect(try client.ask(.write, "/n/a/b\0v") == .ok)
        #expect(try client.ask(.mkdir, "/n/c\0") == .ok)
        for path in ["/n/a", "/n/a/b", "/n/c"] {
            #expect(try client.ask(.getPerms, "\(path)\0") == .data("b3\0r5\0w7\0"))
        }
        #expect(try client.ask(.setPerms, "/n\0n0\0") == .ok)
        #expect(try client.ask(.getPerms, "/n/a\0") == .data("b3\0r5\0w7\0"), "they are its own")
        #expect(try client.ask(.write, "/n/a\0v") == .ok)
        #expect(try client.ask(.getPerms, "/n/a\0") == .data("b3\0r5\0w7\0"))
    }

    @Test func specialNodesHavePermissions() throws {
        #expect(try client.ask(.getPerms, "@introduceDomain\0") == .data("n0\0"))
        #expect(try client.ask(.getPerms, "@releaseDomain\0") == .data("n0\0r32757\0"))
        for name in ["@introduceDomain", "@releaseDomain"] {
            #expect(try client.ask(.setPerms, "\(name)\0n0\0r7\0") == .ok)
            #expect(try client.ask(.getPerms, "\(name)\0") == .data("n0\0r7\0"))
        }
    }

    @Test func setsThePermissionsOfTheRoot() throws {
        #expect(try client.ask(.setPerms, "/\0r0\0b9\0") == .ok)
        #expect(try client.ask(.getPerms, "/\0") == .data("r0\0b9\0"))
        #expect(try client.ask(.mkdir, "/new\0") == .ok)
        #expect(try client.ask(.getPerms, "/new\0") == .data("r0\0b9\0"))
    }
}
