// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreEngine
@testable import XenStoreKernel

/// The kernel answers from its last answers if many children are listed. Each change must show at once.
@Suite final class RecentListsTests: HouseSuite {
    let storage = FailingStorage()
    private var names = (0..<400).map { "child\($0)" }

    override init() throws {
        super.init(in: try House(storage: storage))
        for name in names { dom0.write("/wide/\(name)") }
        expect(names)
    }

    /// Lists the children in both ways, and twice, so that the second answer is one that was kept.
    private func expect(
        _ names: [String], in transaction: UInt32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let text = names.map { $0 + "|" }.joined()
        for _ in 0..<2 {
            #expect(dom0.list("/wide", in: transaction) == .text(text), sourceLocation: sourceLocation)
            let part = dom0.ask(.directoryPart, "/wide\00\0", in: transaction)
            guard case .text(let answer) = part else {
                Issue.record("the list is answered \(part)", sourceLocation: sourceLocation)
                return
            }
            #expect(answer.drop { $0 != "|" } == "|" + text + "|", sourceLocation: sourceLocation)
        }
    }

    @Test func eachChangeShows() {
        dom0.rm("/wide/child7")
        names.remove(at: 7)
        expect(names)
        dom0.write("/wide/new")
        expect(names + ["new"])
        dom0.rm("/wide/new")
        dom0.write("/wide/old")
        expect(names + ["old"])
    }

    @Test func theNodeThatHasTheNumberOfARemovedOneHasItsOwnList() {
        dom0.rm("/wide")
        for number in 0..<300 { dom0.write("/wide/other\(number)") }
        expect((0..<300).map { "other\($0)" })
    }

    @Test func aTurnThatStorageRefusesLeavesTheListAsItWas() {
        storage.isFailing = true
        #expect(dom0.write("/wide/new") == .error(.EIO))
        #expect(dom0.rm("/wide/child0") == .error(.EIO))
        storage.isFailing = false
        expect(names)
        dom0.write("/wide/later")
        expect(names + ["later"])
    }

    /// The generations of a draft come again in the store.
    @Test func transactionsHaveListsOfTheirOwn() {
        let transaction = dom0.start()
        dom0.write("/wide/draft", in: transaction)
        expect(names + ["draft"], in: transaction)
        expect(names)
        dom0.write("/wide/store")
        expect(names + ["draft"], in: transaction)
        expect(names + ["store"])
        #expect(dom0.abort(transaction) == .ok)
        expect(names + ["store"])
    }

    @Test func whoMayNotReadTheDirectoryLearnsNothing() {
        #expect(house.host.guest(5).list("/wide") == .error(.EACCES))
    }
}
