// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Two at once: which transactions commit. The rule is one: EAGAIN only if some request of the
/// transaction would be answered differently now.
@Suite struct ConflictTests {
    struct Step: CustomStringConvertible {
        var operation: Operation
        var payload: String
        var description: String { "\(operation) \(payload.replacing("\0", with: "|"))" }

        static func read(_ path: String) -> Step { Step(operation: .read, payload: "\(path)\0") }
        static func list(_ path: String) -> Step { Step(operation: .directory, payload: "\(path)\0") }
        static func part(_ path: String) -> Step { Step(operation: .directoryPart, payload: "\(path)\00\0") }
        static func permissions(_ path: String) -> Step { Step(operation: .getPermissions, payload: "\(path)\0") }
        static func write(_ path: String, _ value: String = "new") -> Step {
            Step(operation: .write, payload: "\(path)\0\(value)")
        }
        static func mkdir(_ path: String) -> Step { Step(operation: .makeDirectory, payload: "\(path)\0") }
        static func rm(_ path: String) -> Step { Step(operation: .remove, payload: "\(path)\0") }
        static func chmod(_ path: String) -> Step { Step(operation: .setPermissions, payload: "\(path)\0r0\0") }
    }

    struct Case: CustomStringConvertible {
        var inside: [Step]
        var outside: [Step]
        var commits: Bool
        var description: String { "\(inside) against \(outside)" }

        init(_ inside: [Step], _ outside: [Step], _ commits: Bool) {
            (self.inside, self.outside, self.commits) = (inside, outside, commits)
        }
    }

    /// Before: /c/x = "v" with child y, /c/z, and nothing else.
    static let cases: [Case] = [
        Case([], [.write("/c/x")], true),
        Case([.read("/c/x")], [.write("/c/x", "v")], true),
        Case([.read("/c/x")], [.write("/c/x")], false),
        Case([.read("/c/x")], [.rm("/c/x")], false),
        Case([.read("/c/x")], [.chmod("/c/x")], true),
        Case([.permissions("/c/x")], [.chmod("/c/x")], false),
        Case([.permissions("/c/x")], [.write("/c/x")], true),
        Case([.read("/c/x")], [.write("/c/z"), .mkdir("/c/n"), .rm("/c/x/y")], true),
        Case([.read("/c/x")], [.rm("/c/x"), .write("/c/x", "v")], true),
        Case([.write("/c/x")], [.write("/c/x", "other")], true),
        Case([.write("/c/x")], [.rm("/c/x")], true),
        Case([.write("/c/n")], [.write("/c/m")], true),
        Case([.write("/c/n")], [.write("/c/x")], true),
        Case([.write("/c/n")], [.write("/c/n")], true),
        Case([.write("/c/n")], [.rm("/c")], true),
        Case([.list("/c")], [.write("/c/x")], true),
        Case([.list("/c")], [.write("/c/n")], false),
        Case([.list("/c")], [.rm("/c/z")], false),
        Case([.list("/c")], [.write("/c/n"), .rm("/c/n")], true),
        Case([.list("/c")], [.rm("/c/x"), .write("/c/x")], false),
        Case([.list("/c")], [.mkdir("/c/x/n")], true),
        Case([.part("/c")], [.write("/c"), .chmod("/c")], true),
        Case([.part("/c")], [.write("/c/n")], false),
        Case([.read("/c/q")], [.write("/c/q")], false),
        Case([.read("/c/q")], [.write("/c/q"), .rm("/c/q")], true),
        Case([.read("/c/q")], [.rm("/c")], true),
        Case([.rm("/c/x")], [.write("/c/x")], true),
        Case([.rm("/c/x")], [.rm("/c/z")], true),
        Case([.rm("/c/x")], [.rm("/c/x")], true),
        Case([.rm("/c/x")], [.rm("/c")], false),
        Case([.rm("/c")], [.write("/c/x"), .write("/c/n")], true),
        Case([.mkdir("/c/n")], [.mkdir("/c/n")], true),
        Case([.chmod("/c/x")], [.rm("/c/x")], false),
        Case([.chmod("/c/x")], [.chmod("/c/x"), .write("/c/x")], true),
        Case([.write("/c/x"), .read("/c/x")], [.write("/c/x", "other")], true),
        Case([.write("/c/n"), .list("/c")], [.write("/c/m")], false),
        Case([.rm("/c"), .mkdir("/c"), .list("/c")], [.write("/c/m")], true),
    ]

    @Test(arguments: cases)
    func commitsUnlessAnAnswerWouldDiffer(one: Case) throws {
        let house = try House()
        let dom0 = house.dom0
        dom0.write("/c/x", "v")
        dom0.write("/c/x/y")
        dom0.write("/c/z")
        let transaction = dom0.start()
        for step in one.inside { dom0.ask(step.operation, step.payload, in: transaction) }
        // Something to commit: what only reads cannot fail.
        dom0.write("/elsewhere", in: transaction)
        for step in one.outside { dom0.ask(step.operation, step.payload) }
        let before = Contents(of: house.store)
        #expect(dom0.commit(transaction) == (one.commits ? .ok : .error(.EAGAIN)))
        if !one.commits { #expect(Contents(of: house.store) == before) }
        #expect(house.store.history.snapshots.isEmpty)
        #expect(house.store.history.versionCount == 0)
        house.expectSound()
    }

    /// What plagues toolstacks most: two guests built at once below one directory.
    @Test func twoNewChildrenOfOneDirectoryBothCommitAtTheFirstTry() throws {
        let house = try House()
        let (first, second) = (house.caller(0), house.caller(0))
        let (one, two) = (first.start(), second.start())
        first.write("/local/domain/1/name", "one", in: one)
        second.write("/local/domain/2/name", "two", in: two)
        #expect(second.commit(two) == .ok)
        #expect(first.commit(one) == .ok)
        #expect(house.dom0.list("/local/domain") == .names("2", "1"))
        #expect(house.dom0.read("/local/domain/1/name") == .text("one"))
    }

    @Test func lostUpdatesAreImpossible() throws {
        let house = try House()
        house.dom0.write("/n", "0")
        let callers = (0..<4).map { _ in house.caller(0) }
        func attempt(_ caller: Caller, _ transaction: UInt32, _ text: Reply) -> Reply {
            guard case .text(let number) = text, let number = Int(number) else { return .none }
            caller.write("/n", "\(number + 1)", in: transaction)
            return caller.commit(transaction)
        }
        var done = 0
        for _ in 0..<10 {
            let open = callers.map { ($0, $0.start()) }
            let read = open.map { ($0, $1, $0.read("/n", in: $1)) }
            let ended = read.map { attempt($0, $1, $2) }
            #expect(ended == [.ok, .error(.EAGAIN), .error(.EAGAIN), .error(.EAGAIN)])
            done += ended.count { $0 == .ok }
        }
        #expect(house.dom0.read("/n") == .text("\(done)"))
    }

    @Test func theOthersValueStaysAfterAConflict() throws {
        let dom0 = try House().dom0
        dom0.write("/x", "v")
        let transaction = dom0.start()
        _ = dom0.read("/x", in: transaction)
        dom0.write("/x", "mine", in: transaction)
        dom0.write("/x", "theirs")
        #expect(dom0.commit(transaction) == .error(.EAGAIN))
        #expect(dom0.read("/x") == .text("theirs"))
    }

    @Test func losingTheRightInBetweenIsAConflict() throws {
        let house = try House()
        house.dom0.write("/x", "v")
        house.dom0.setPermissions("/x", "n0", "b5")
        let guest = house.guest(5)
        let transaction = guest.start()
        #expect(guest.write("/x", "w", in: transaction) == .ok)
        house.dom0.setPermissions("/x", "n0")
        #expect(guest.commit(transaction) == .error(.EAGAIN))
        #expect(house.dom0.read("/x") == .text("v"))
    }

    /// Trying again would not help: so not EAGAIN.
    @Test func runningOutOfNodesInBetweenIsENOSPC() throws {
        let house = try House(limits: [.nodes: 3])
        let guest = house.guest(5)
        let transaction = guest.start()
        #expect(guest.write("a", in: transaction) == .ok)
        #expect(guest.write("b", in: transaction) == .ok)
        #expect(guest.write("c") == .ok)
        #expect(guest.commit(transaction) == .error(.ENOSPC))
        #expect(house.usage(5).nodes == 2)
        house.expectSound()
    }

    /// XSA-206: a guest that writes on and on cannot keep dom0 from committing for ever.
    @Test func aBusyGuestDelaysDom0ButFewTimes() throws {
        let house = try House()
        let guest = house.guest(5)
        guest.write("n", "0")
        for attempt in 1...10 {
            let transaction = house.dom0.start()
            _ = house.dom0.read("/local/domain/5/n", in: transaction)
            house.dom0.write("/seen", in: transaction)
            guest.client.send(Operation.write.rawValue, Array("n\0\(attempt)".utf8))
            house.host.settle()
            if house.dom0.commit(transaction) == .ok {
                #expect(attempt <= 5)
                house.host.settle()
                #expect(guest.client.takeMessages().count == attempt, "the guest is served again")
                return
            }
        }
        Issue.record("dom0 never got through")
    }
}
