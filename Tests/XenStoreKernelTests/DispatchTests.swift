// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

/// The order of checks: is the type known, is the client privileged, may it write, is the
/// transaction open, and only then whatever the handler looks at.
@Suite struct DispatchTests {
    private static let privileged: [Operation] = [
        .control, .introduce, .release, .isDomainIntroduced, .resume, .setTarget, .setFeature, .getQuota, .setQuota,
    ]

    @Test(arguments: [15, 16, 20, 27, 28, 0xffff, 0xffff_ffff] as [UInt32])
    func unknownTypesAreENOSYS(number: UInt32) throws {
        let house = try House()
        for caller in [house.dom0, house.caller(5), house.caller(0, mayWrite: false)] {
            #expect(caller.ask(number: number, []) == .error(.ENOSYS))
            #expect(caller.ask(number: number, [1, 2, 3], in: 99) == .error(.ENOSYS))
        }
    }

    @Test(arguments: privileged)
    func isEACCESForGuestsBeforeAnythingElse(operation: Operation) throws {
        let guest = try House().caller(5)
        #expect(guest.ask(operation, "") == .error(.EACCES))
        #expect(guest.ask(operation, "0\0", in: 99) == .error(.EACCES))
    }

    @Test(arguments: privileged)
    func isEACCESForReaders(operation: Operation) throws {
        #expect(try House().caller(0, mayWrite: false).ask(operation, "5\0") == .error(.EACCES))
    }

    @Test(arguments: Operation.allCases.filter { $0 != .watchEvent && $0 != .error })
    func needsItsTransactionToBeOpen(operation: Operation) throws {
        let house = try House()
        let reply = house.dom0.ask(operation, "/tool\0t\0", in: 99)
        if operation == .watch {
            #expect(reply == .ok)
        } else {
            // UNWATCH ignores the transaction, and there is no such watch.
            #expect(reply == .error(.ENOENT))
        }
    }

    @Test func watchAndUnwatchIgnoreTheTransaction() throws {
        let dom0 = try House().dom0
        #expect(dom0.ask(.watch, "/tool\0t\0", in: 99) == .ok)
        #expect(dom0.ask(.unwatch, "/tool\0t\0", in: 99) == .ok)
    }

    @Test func transactionsBelongToTheirConnection() throws {
        let house = try House()
        let transaction = house.dom0.start()
        #expect(house.caller(0).read("/tool", in: transaction) == .error(.ENOENT))
        #expect(house.dom0.read("/tool", in: transaction) == .text(""))
    }

    @Test func readersMayReadWatchAndTransact() throws {
        let house = try House()
        let reader = house.caller(0, mayWrite: false)
        #expect(reader.list("/") == .names("tool"))
        #expect(reader.watch("/tool") == .ok)
        let transaction = reader.start()
        #expect(reader.read("/tool", in: transaction) == .text(""))
        #expect(reader.commit(transaction) == .ok)
    }

    @Test(arguments: [.write, .makeDirectory, .remove, .setPermissions] as [Operation])
    func readersChangeNothing(operation: Operation) throws {
        let house = try House()
        let reader = house.caller(0, mayWrite: false)
        let transaction = reader.start()
        #expect(reader.ask(operation, "/tool\0n0\0") == .error(.EROFS))
        #expect(reader.ask(operation, "", in: transaction) == .error(.EROFS))
    }

    @Test(arguments: [.read, .directory, .getPermissions, .makeDirectory, .remove] as [Operation])
    func onePathMeansOneNULAtTheEnd(operation: Operation) throws {
        let dom0 = try House().dom0
        for payload in ["", "/tool", "/tool\0\0", "/tool\0x", "\0/tool\0", "/to\0ol\0"] {
            #expect(dom0.ask(operation, payload) == .error(.EINVAL), "\(payload)")
        }
    }

    @Test(arguments: [.release, .resume, .getDomainPath, .isDomainIntroduced] as [Operation])
    func oneNumberMeansOneNULAtTheEnd(operation: Operation) throws {
        let dom0 = try House().dom0
        for payload in ["", "7", "7\0\0", "7\0x", "\07\0"] {
            #expect(dom0.ask(operation, payload) == .error(.EINVAL), "\(payload)")
        }
    }

    @Test(
        arguments: [
            (.watch, "/tool\0", false), (.watch, "/tool\0t", false), (.watch, "/tool\0t\0junk", true),
            (.watch, "/tool\0t\01\0", true), (.watch, "/tool\0t\01\0\0", false), (.unwatch, "/tool\0", false),
            (.setPermissions, "/tool\0", false), (.setPermissions, "/tool\0n0", false),
            (.setPermissions, "/tool\0n0\0r1", true), (.directoryPart, "/tool\0", false),
            (.directoryPart, "/tool\00", false),
            (.directoryPart, "/tool\00\0", true), (.directoryPart, "/tool\00\0\0", false), (.write, "/tool", false),
            (.write, "/tool\0", true), (.write, "/tool\0\0\0", true), (.transactionStart, "", true),
            (.transactionStart, "junk", true), (.resetWatches, "", true), (.resetWatches, "junk", true),
        ] as [(Operation, String, Bool)])
    func theNumberOfStringsIsChecked(operation: Operation, payload: String, isRight: Bool) throws {
        let reply = try House().dom0.ask(operation, payload)
        if isRight { #expect(!reply.isError) } else { #expect(reply == .error(.EINVAL)) }
    }

    @Test func bytesBehindTheLastPermissionDoNotCount() throws {
        let dom0 = try House().dom0
        #expect(dom0.ask(.setPermissions, "/tool\0n0\0r1") == .ok)
        #expect(dom0.permissions("/tool") == .text("n0|"))
    }

    @Test func copiesTheRequestsNumberIntoEveryReply() throws {
        let house = try House()
        house.dom0.client.send(Operation.read.rawValue, request: 0xffff_fffe, Array("/none\0".utf8))
        house.host.settle()
        #expect(house.dom0.client.takeMessages().map(\.header.request) == [0xffff_fffe])
    }
}
