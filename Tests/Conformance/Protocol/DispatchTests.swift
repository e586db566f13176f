// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The order in which a request is looked at: its type, who sends it, its transaction, its payload,
/// its path, the node.
@Suite final class DispatchTests: DaemonSuite {
    @Test(arguments: [15, 16, 20, 27, 28, 0xffff, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func refusesAnUnknownType(type: UInt32) throws {
        for payload in ["", "/a\0", "junk"] {
            #expect(try client.ask(Op(rawValue: type), payload) == .ENOSYS)
            #expect(try client.ask(Op(rawValue: type), payload, in: 99) == .ENOSYS)
        }
    }

    @Test(arguments: Valid.requests) func checksThePayloadOfEveryKnownType(request: Message) throws {
        // Only what needs a domain that isn't there is not done.
        let answer = try client.ask(request.op, bytes: request.payload)
        #expect(Valid.needsDomain.contains(request.op) ? answer == .ENOSYS || answer == .ENOENT : answer != .ENOSYS)
    }

    @Test(arguments: Valid.requests.filter { $0.op != .watch && $0.op != .unwatch })
    func looksForTheTransactionBeforeThePayload(request: Message) throws {
        for payload in [request.payload, [], Array("\0\0\0\0\0".utf8)] {
            #expect(try client.ask(request.op, bytes: payload, in: 99) == .ENOENT)
        }
    }

    @Test func ignoresTheTransactionOfWatchAndUnwatch() throws {
        #expect(try client.ask(.watch, "/a\0t\0", in: 99) == .ok)
        #expect(try client.ask(.unwatch, "/a\0t\0", in: 98) == .ok)
    }

    @Test func refusesTheTransactionOfAnotherConnection() throws {
        let transaction = try client.startTransaction()
        let other = try daemon.connect()
        #expect(try other.ask(.read, "/tool\0", in: transaction) == .ENOENT)
        #expect(try client.ask(.read, "/tool\0", in: transaction) == .data(""))
    }

    @Test(arguments: Valid.privileged) func refusesPrivilegedTypesBeforeLookingForTheTransaction(op: Op) throws {
        let reader = try daemon.connectReadOnly()
        #expect(try reader.ask(op, "") == .EACCES)
        #expect(try reader.ask(op, "junk", in: 99) == .EACCES)
    }

    @Test func looksAtThePayloadBeforeThePath() throws {
        #expect(try client.ask(.setPerms, "//\0x0\0") == .EINVAL)
        #expect(try client.ask(.setPerms, "/nowhere\0x0\0") == .EINVAL)
        #expect(try client.ask(.setPerms, "/nowhere\0n0\0") == .ENOENT)
        #expect(try client.ask(.read, "//nowhere\0") == .EINVAL)
    }
}

/// One good request of every type.
enum Valid {
    static let requests: [Message] = [
        Message(.control, "check\0"), Message(.directory, "/tool\0"), Message(.read, "/tool\0"),
        Message(.getPerms, "/tool\0"), Message(.watch, "/a\0t\0"), Message(.unwatch, "/a\0t\0"),
        Message(.transactionStart, "\0"), Message(.transactionEnd, "T\0"), Message(.introduce, "1\02\03\0"),
        Message(.release, "1\0"), Message(.getDomainPath, "1\0"), Message(.write, "/a\0v"), Message(.mkdir, "/a\0"),
        Message(.rm, "/a\0"), Message(.setPerms, "/tool\0n0\0"), Message(.isDomainIntroduced, "1\0"),
        Message(.resume, "1\0"), Message(.setTarget, "1\02\0"), Message(.resetWatches, "\0"),
        Message(.directoryPart, "/tool\00\0"), Message(.getFeature, ""), Message(.setFeature, "1\00\0"),
        Message(.getQuota, ""), Message(.setQuota, "nodes\01000\0"),
    ]

    static let privileged: [Op] = [
        .control, .introduce, .release, .isDomainIntroduced, .resume, .setTarget, .setFeature, .getQuota, .setQuota,
    ]

    static let needsDomain: [Op] = [.introduce, .release, .resume, .setTarget, .setFeature]
}
