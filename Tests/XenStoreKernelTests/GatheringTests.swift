// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import XenStoreKernel

/// With a storage whose commits last, a turn waits for those who are about to ask.
@Suite struct GatheringTests {
    let storage = FailingStorage()
    let house: House
    let callers: [Caller]
    let patience: UInt64 = 1000

    init() throws {
        house = try House(storage: storage)
        callers = [house.dom0, house.caller(0), house.caller(0)]
        house.dom0.write("/x", "old")
        storage.patience = patience
    }

    /// Some of the callers write, and the turn may end.
    private func turn(_ writers: [Int] = [], after nanoseconds: UInt64 = 0) -> Wait {
        for writer in writers { callers[writer].send(.write, "/\(writer)\0v") }
        return house.engine.endTurn(at: Moment(nanoseconds: house.host.now.nanoseconds + nanoseconds))
    }

    private var end: Wait { .gathering(until: Moment(nanoseconds: house.host.now.nanoseconds + patience)) }

    /// The callers' answers so far, and how many commits there were since the last time.
    private func answers() -> [[String]] { callers.map { $0.takeAll() } }

    private let ok = ["WRITE OK|"]

    @Test func aSingleClientDoesNotWait() {
        for _ in 0..<4 {
            #expect(turn([0]) == .forever)
            #expect(answers() == [ok, [], []])
        }
    }

    @Test func clientsThatWereInOneCommitAreInTheNext() {
        #expect(turn([0, 1, 2]) == .forever)
        let before = storage.commits
        _ = answers()
        #expect(turn([1]) == end)
        #expect(turn([0], after: 500) == end)
        #expect(answers() == [[], [], []])
        #expect(turn([2], after: 600) == .forever)
        #expect(answers() == [ok, ok, ok])
        #expect(storage.commits == before + 1)
    }

    @Test func clientsThatTakeTurnsMeet() {
        #expect(turn([0]) == .forever)
        #expect(turn([1], after: patience) == .forever)
        _ = answers()
        let before = storage.commits
        #expect(turn([0]) == end)
        #expect(turn([1]) == .forever)
        #expect(answers() == [ok, ok, []])
        #expect(storage.commits == before + 1)
    }

    @Test func aTurnEndsAfterThePatience() {
        #expect(turn([0, 1]) == .forever)
        _ = answers()
        for _ in 0..<2 {
            #expect(turn([0]) == end)
            #expect(turn(after: patience - 1) == end)
            #expect(answers() == [[], [], []])
            #expect(turn(after: patience) == .forever)
            #expect(answers() == [ok, [], []])
        }
        #expect(turn([0]) == .forever, "who is gone is forgotten")
    }

    /// Otherwise a client that now reads and now writes would be waited for while it waits itself.
    @Test func anyRequestShowsThatItsClientIsThere() {
        #expect(turn([0, 1]) == .forever)
        _ = answers()
        #expect(turn([0]) == end)
        callers[1].send(.read, "/x\0")
        #expect(answers() == [[], [], []])
        #expect(turn() == .forever)
        #expect(answers() == [ok, ["READ old"], []])
    }

    @Test func aReaderWaitsForNobody() {
        #expect(turn([0, 1]) == .forever)
        _ = answers()
        callers[0].send(.read, "/x\0")
        #expect(turn() == .forever)
        #expect(answers() == [["READ old"], [], []])
    }

    @Test func allGatheredChangesAreUndoneTogether() {
        #expect(turn([0, 1]) == .forever)
        _ = answers()
        let before = Contents(of: house.store)
        #expect(turn([0]) == end)
        storage.isFailing = true
        _ = turn([1])
        #expect(answers() == [["ERROR EIO|"], ["ERROR EIO|"], []])
        #expect(Contents(of: house.store) == before)
        #expect(turn([0]) == .forever, "a storage that fails is not waited for")
        #expect(answers() == [["ERROR EIO|"], [], []])
        house.expectSound()
    }
}
