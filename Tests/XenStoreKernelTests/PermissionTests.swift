// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@Suite final class PermissionTests: GuestSuite {
    /// A node with permissions, as its owner made it.
    private func node(_ path: String, _ entries: String...) {
        dom0.write(path, "v")
        #expect(dom0.ask(.setPermissions, "\(path)\0" + entries.map { "\($0)\0" }.joined()) == .ok)
    }

    // MARK: Who may

    @Test(arguments: [
        ("n0", false, false), ("r0", true, false), ("w0", false, true), ("b0", true, true),
        ("n0 r5", true, false), ("n0 w5", false, true), ("n0 b5", true, true), ("b0 n5", false, false),
        ("n0 r6", false, false), ("b0 n6", true, true), ("n5", true, true), ("n5 n5", true, true),
        // The first entry that names the domain decides, DOMID_ANY being everyone's.
        ("n0 r5 w5", true, false), ("n0 n5 b5", false, false), ("n0 r32757", true, false),
        ("n0 n32757 b5", false, false), ("n0 b5 n32757", true, true), ("b0 r32757", true, false),
        ("n0 r6 r7 r8 b5", true, true),
    ])
    func firstEntryDecides(entries: String, mayRead: Bool, mayWrite: Bool) {
        dom0.write("/x", "v")
        dom0.ask(.setPermissions, "/x\0" + entries.split(separator: " ").map { "\($0)\0" }.joined())
        #expect(guest.read("/x") == (mayRead ? .text("v") : .error(.EACCES)))
        #expect(guest.list("/x") == (mayRead ? .text("") : .error(.EACCES)))
        #expect(guest.permissions("/x").isError == !mayRead)
        #expect(guest.write("/x", "w") == (mayWrite ? .ok : .error(.EACCES)))
        #expect(guest.mkdir("/x") == (mayWrite ? .ok : .error(.EACCES)))
        #expect(guest.rm("/x") == (mayWrite ? .ok : .error(.EACCES)))
    }

    @Test func dom0MayDoEverything() {
        node("/x", "n5")
        #expect(dom0.read("/x") == .text("v"))
        #expect(dom0.write("/x", "w") == .ok)
        #expect(dom0.setPermissions("/x", "n6") == .ok)
        #expect(dom0.rm("/x") == .ok)
    }

    @Test func removalNeedsTheNodesOwnWriteBitOnly() {
        node("/d", "n0")
        node("/d/x", "n0", "b5")
        #expect(guest.rm("/d/x") == .ok)
        node("/e", "n0", "b5")
        node("/e/y", "n0")
        #expect(guest.rm("/e/y") == .error(.EACCES))
    }

    @Test func aWritableDirectoryGoesWithForeignChildren() {
        node("/e", "n0", "b5")
        node("/e/y", "n0")
        #expect(guest.rm("/e") == .ok)
        #expect(dom0.read("/e/y") == .error(.ENOENT))
    }

    /// XSA-353.
    @Test(
        arguments: [
            (.remove, "/\0"), (.setPermissions, "/\0n5\0"), (.directory, "/\0"), (.getPermissions, "/\0"),
            (.makeDirectory, "/\0"), (.write, "/\0x"), (.read, "/\0"), (.directoryPart, "/\00\0"),
        ] as [(Operation, String)])
    func theRootIsClosedToGuests(operation: Operation, payload: String) {
        #expect(guest.ask(operation, payload) == .error(.EACCES))
    }

    // MARK: Targets

    @Test func aDomainSharesItsTargetsRights() {
        node("/six", "n6")
        node("/list", "n0", "r6")
        #expect(guest.read("/six") == .error(.EACCES))
        _ = house.caller(6)
        #expect(dom0.ask(.setTarget, "5\06\0") == .ok)
        #expect(guest.read("/six") == .text("v"))
        #expect(guest.write("/six", "w") == .ok)
        #expect(guest.setPermissions("/six", "r6") == .ok)
        #expect(guest.read("/list") == .text("v"))
        #expect(guest.write("/list", "w") == .error(.EACCES))
    }

    @Test func theTargetSharesNothing() {
        node("/five", "n5")
        let six = house.caller(6)
        dom0.ask(.setTarget, "5\06\0")
        #expect(six.read("/five") == .error(.EACCES))
    }

    @Test func createdBelowTheTargetsNodeIsTheCreators() {
        node("/six", "n6")
        _ = house.caller(6)
        dom0.ask(.setTarget, "5\06\0")
        #expect(guest.write("/six/x") == .ok)
        #expect(dom0.permissions("/six/x") == .text("n5|"))
    }

    // MARK: Hiding

    @Test func guestsDoNotLearnWhatIsThere() {
        node("/secret", "n0")
        for path in ["/none", "/secret", "/secret/none", "/none/none"] {
            for operation in [.read, .directory, .getPermissions, .remove, .makeDirectory] as [Operation] {
                #expect(guest.ask(operation, "\(path)\0") == .error(.EACCES), "\(operation) \(path)")
            }
            #expect(guest.write(path) == .error(.EACCES))
            #expect(guest.setPermissions(path, "n5") == .error(.EACCES))
            #expect(guest.ask(.directoryPart, "\(path)\00\0") == .error(.EACCES))
        }
    }

    @Test func inItsHomeAGuestIsToldENOENT() {
        for path in ["none", "none/none", "/local/domain/5/none"] {
            for operation in [.read, .directory, .getPermissions] as [Operation] {
                #expect(guest.ask(operation, "\(path)\0") == .error(.ENOENT))
            }
            #expect(guest.setPermissions(path, "n5") == .error(.ENOENT))
        }
        #expect(guest.rm("none") == .ok)
        #expect(guest.rm("none/none") == .error(.ENOENT))
    }

    @Test func theNearestAncestorDecidesByTheWantedAccess() {
        node("/d", "n0", "r5")
        #expect(guest.read("/d/none") == .error(.ENOENT))
        #expect(guest.read("/d/none/deeper") == .error(.ENOENT))
        #expect(guest.rm("/d/none") == .error(.EACCES))
        node("/w", "n0", "w5")
        #expect(guest.read("/w/none") == .error(.EACCES))
        #expect(guest.rm("/w/none") == .ok)
        #expect(guest.setPermissions("/w/none", "n5") == .error(.ENOENT))
    }

    // MARK: Inheritance

    @Test func createdNodesCopyTheirParentAndBelongToTheCreator() {
        node("/d", "b0", "r2", "n7")
        #expect(guest.write("/d/a/b") == .ok)
        #expect(dom0.permissions("/d/a") == .text("b5|r2|n7|"))
        #expect(dom0.permissions("/d/a/b") == .text("b5|r2|n7|"))
    }

    @Test func dom0CreatesForTheParentsOwner() {
        dom0.write("/local/domain/5/a/b")
        #expect(dom0.permissions("/local/domain/5/a/b") == .text("n5|"))
        #expect(guest.permissions("a/b") == .text("n5|"))
    }

    @Test func creationNeedsTheNearestAncestorsWriteBit() {
        node("/r", "r0")
        #expect(guest.write("/r/a") == .error(.EACCES))
        node("/w", "w0")
        #expect(guest.write("/w/a/b/c") == .ok)
    }

    // MARK: SET_PERMS

    @Test(arguments: [
        "x5", "r", "r65536", "r-1", "r0x5", "r 5", "5", "", "r5 ",
    ])
    func everyEntryIsParsed(entry: String) {
        #expect(dom0.setPermissions("/tool", entry) == .error(.EINVAL))
        #expect(dom0.setPermissions("/tool", "n0", entry) == .error(.EINVAL))
        #expect(dom0.setPermissions("/tool", "n0", "r1", entry) == .error(.EINVAL))
        #expect(dom0.permissions("/tool") == .text("n0|"))
    }

    @Test func entriesAreKeptAsGiven() {
        #expect(dom0.setPermissions("/tool", "b7", "r1", "r1", "n65535", "w32757") == .ok)
        #expect(dom0.permissions("/tool") == .text("b7|r1|r1|n65535|w32757|"))
    }

    @Test func nobodyIsOwnedByEveryone() {
        #expect(dom0.setPermissions("/tool", "r32757") == .error(.ENOMEM))
        #expect(dom0.setPermissions("/tool", "n0", "r32757") == .ok)
    }

    /// XSA-352.
    @Test func aGuestGivesNothingAway() {
        guest.write("x")
        #expect(guest.setPermissions("x", "n6") == .error(.EPERM))
        #expect(guest.setPermissions("x", "n0") == .error(.EPERM))
        #expect(guest.setPermissions("x", "b5", "r6") == .ok)
        #expect(guest.permissions("x") == .text("b5|r6|"))
    }

    @Test func aGuestChangesItsOwnNodesOnly() {
        node("/x", "b0", "b5")
        #expect(guest.setPermissions("/x", "b0") == .error(.EACCES))
        #expect(guest.setPermissions("/x", "n5") == .error(.EACCES))
    }

    @Test func checksCountThenEntriesThenPath() {
        let many = Array(repeating: "x", count: 6).map { "\($0)\0" }.joined()
        #expect(guest.ask(.setPermissions, "//\0" + many) == .error(.ENOSPC))
        #expect(guest.setPermissions("/none", "x5") == .error(.EINVAL))
        #expect(guest.setPermissions("/none", "n5") == .error(.EACCES))
    }

    @Test func specialsHavePermissions() {
        #expect(guest.permissions("@releaseDomain") == .text("n0|r32757|"))
        #expect(guest.permissions("@introduceDomain") == .error(.EACCES))
        #expect(guest.permissions("@none") == .error(.EACCES))
        #expect(guest.setPermissions("@releaseDomain", "n5") == .error(.EACCES))
        #expect(dom0.setPermissions("@introduceDomain", "n0", "r5") == .ok)
        #expect(guest.permissions("@introduceDomain") == .text("n0|r5|"))
    }

    @Test func manyDifferentListsAreKeptApart() {
        for number in 0..<200 { node("/n/\(number)", "n\(number)", "r\(number + 1)") }
        for number in 0..<200 where number % 3 == 0 { dom0.rm("/n/\(number)") }
        for number in 0..<200 where number % 3 == 1 { dom0.setPermissions("/n/\(number)", "b\(number)") }
        for number in 0..<200 {
            let expected: Reply =
                switch number % 3 {
                case 0: .error(.ENOENT)
                case 1: .text("b\(number)|")
                default: .text("n\(number)|r\(number + 1)|")
                }
            #expect(dom0.permissions("/n/\(number)") == expected)
        }
        house.expectSound()
    }
}
