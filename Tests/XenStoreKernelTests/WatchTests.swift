// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Setting and dropping watches, and what each is told of by dom0's own changes.
@Suite final class WatchTests: HouseSuite {
    // MARK: Setting

    @Test func repliesFirstAndTellsThenWhateverIsThere() {
        for path in ["/tool", "/none", "/none/none", "none", "@any"] {
            dom0.client.send(Operation.watch.rawValue, Array("\(path)\0tok\0".utf8))
            house.host.settle()
            #expect(dom0.client.takeMessages().map(\.description) == ["WATCH OK|", "WATCH_EVENT \(path)|tok|"])
        }
    }

    @Test func aGuestMayWatchWhatItMayNotRead() {
        let guest = house.guest(5)
        #expect(guest.watch("/tool") == .ok)
        #expect(guest.takeEvents() == ["/tool|t|"])
    }

    @Test func tokensMayBeEmptyAndHoldAnyBytes() {
        #expect(dom0.watch("/a", "") == .ok)
        #expect(dom0.watch("/a", "b c/é\u{1}") == .ok)
        #expect(dom0.takeEvents() == ["/a||", "/a|b c/é\u{1}|"])
    }

    @Test func theSameWatchTwiceIsEEXIST() {
        #expect(dom0.watch("/a", "t") == .ok)
        #expect(dom0.watch("/a", "t") == .error(.EEXIST))
        #expect(dom0.watch("/a", "t", depth: 1) == .error(.EEXIST))
        #expect(dom0.watch("/a", "u") == .ok)
        #expect(dom0.watch("/b", "t") == .ok)
        #expect(house.caller(0).watch("/a", "t") == .ok)
    }

    @Test func relativeAndAbsoluteSpellingAreOneWatch() {
        #expect(dom0.watch("a") == .ok)
        #expect(dom0.watch("/local/domain/0/a") == .error(.EEXIST))
        #expect(dom0.unwatch("/local/domain/0/a") == .ok)
        #expect(dom0.unwatch("a") == .error(.ENOENT))
    }

    @Test(arguments: ["-1", "x", "1x", "-99999999999999999999"])
    func depthIsANumberFrom0(depth: String) {
        #expect(dom0.ask(.watch, "/a\0t\0\(depth)\0") == .error(.EINVAL))
    }

    @Test func unwatchWantsPathAndTokenRight() {
        dom0.listen("/a", "t")
        #expect(dom0.unwatch("/a", "u") == .error(.ENOENT))
        #expect(dom0.unwatch("/b", "t") == .error(.ENOENT))
        #expect(house.caller(0).unwatch("/a", "t") == .error(.ENOENT))
        #expect(dom0.unwatch("/a", "t") == .ok)
        dom0.write("/a")
        #expect(dom0.takeEvents() == [])
    }

    @Test func resetDropsAllAndKeepsWhatIsQueued() {
        let guest = house.guest(5)
        guest.client.appetite = 0
        guest.client.send(Operation.watch.rawValue, Array("a\0t\0".utf8))
        house.host.settle()
        guest.client.send(Operation.resetWatches.rawValue, [])
        house.host.settle()
        dom0.write("/local/domain/5/a")
        guest.client.resume()
        #expect(
            guest.client.takeMessages().map(\.description) == ["WATCH OK|", "WATCH_EVENT a|t|", "RESET_WATCHES OK|"])
        #expect(house.usage(5).watches == 0)
        #expect(house.watchCount == 0)
    }

    @Test func resetDropsTransactionsEvenItsOwn() {
        let (first, second) = (dom0.start(), dom0.start())
        #expect(dom0.ask(.resetWatches, "", in: first) == .ok)
        #expect(dom0.read("/tool", in: first) == .error(.ENOENT))
        #expect(dom0.commit(second) == .error(.ENOENT))
        #expect(house.usage(0).transactions == 0)
    }

    @Test func aVanishedClientsWatchesAreGone() {
        let other = house.caller(0)
        for number in 0..<50 { other.watch("/a/\(number % 7)", "\(number)") }
        other.client.hangUp()
        #expect(house.watchCount == 0)
        dom0.write("/a/1")
        house.expectSound()
    }

    // MARK: Matching

    @Test(arguments: [
        ("/a/b", ["/a/b", "/a/b/c", "/a/b/c/d"]), ("/", ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/x", "/ab", "/"]),
        ("/a", ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/x"]), ("/a/b/c/d/e", []),
    ])
    func tellsOfThePathAndBelow(watched: String, told: [String]) {
        let all = ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/x", "/ab", "/"]
        for path in all { dom0.mkdir(path) }
        dom0.listen(watched)
        for path in all { dom0.write(path, "v") }
        #expect(dom0.takeEvents() == all.filter(told.contains).map { "\($0)|t|" })
    }

    @Test(arguments: [
        ("/a", 0, ["/a"]), ("/a", 1, ["/a", "/a/b"]), ("/a", 2, ["/a", "/a/b", "/a/b/c"]), ("/", 0, ["/"]),
        ("/", 1, ["/", "/a"]), ("/a/b", 0, ["/a/b"]), ("/a", 99, ["/a", "/a/b", "/a/b/c"]),
    ])
    func theDepthBoundsTheEvents(watched: String, depth: Int, told: [String]) {
        let all = ["/", "/a", "/a/b", "/a/b/c"]
        for path in all { dom0.mkdir(path) }
        dom0.listen(watched, depth: depth)
        for path in all { dom0.write(path, "v") }
        #expect(dom0.takeEvents() == told.map { "\($0)|t|" })
    }

    @Test func pathsAreShownAsTheWatchWasSpelled() {
        dom0.listen("a", "rel")
        dom0.listen("/local/domain/0", "abs")
        dom0.write("a/b")
        #expect(dom0.takeEvents() == ["a/b|rel|", "/local/domain/0/a/b|abs|"])
    }

    @Test func onlyTheNamedNodeIsToldNotItsNewParents() {
        dom0.listen("/")
        dom0.write("/a/b/c")
        #expect(dom0.takeEvents() == ["/a/b/c|t|"])
        dom0.mkdir("/d/e")
        #expect(dom0.takeEvents() == ["/d/e|t|"])
    }

    @Test func writingTheSameIsTold() {
        dom0.write("/a", "v")
        dom0.listen("/a")
        dom0.write("/a", "v")
        #expect(dom0.takeEvents() == ["/a|t|"])
    }

    @Test func readingAndMakingWhatIsThereIsNotTold() {
        dom0.write("/a/b", "v")
        dom0.listen("/")
        #expect(dom0.mkdir("/a") == .ok)
        #expect(dom0.rm("/a/none") == .ok)
        #expect(dom0.read("/a/b") == .text("v"))
        #expect(dom0.write("//", "v") == .error(.EINVAL))
        #expect(dom0.takeEvents() == [])
    }

    @Test func permissionsAreTold() {
        dom0.listen("/tool")
        dom0.setPermissions("/tool/xenstored", "r0")
        #expect(dom0.takeEvents() == ["/tool/xenstored|t|"])
    }

    @Test func permissionsOfSpecialsAreTold() {
        dom0.listen("@releaseDomain")
        dom0.listen("/", "root")
        dom0.setPermissions("@releaseDomain", "n0")
        #expect(dom0.takeEvents() == ["@releaseDomain|t|"])
    }

    // MARK: Removal

    @Test func removalTellsExactWatchesBelowFirst() {
        dom0.write("/wt/a/b/c")
        for path in ["/wt", "/wt/a/b", "/wt/a", "/wt/a/b/c", "/wt/a/x", "/"] { dom0.listen(path, path) }
        dom0.rm("/wt/a")
        #expect(
            dom0.takeEvents() == [
                "/wt/a/b/c|/wt/a/b/c|", "/wt/a/b|/wt/a/b|", "/wt/a|/wt|", "/wt/a|/wt/a|", "/wt/a|/|",
            ])
    }

    @Test func removalHeedsDepth() {
        dom0.write("/a/b/c")
        dom0.listen("/", "deep", depth: 1)
        dom0.listen("/a/b", "exact", depth: 0)
        dom0.listen("/a", "near", depth: 0)
        dom0.rm("/a/b/c")
        #expect(dom0.takeEvents() == [])
        dom0.rm("/a/b")
        #expect(dom0.takeEvents() == ["/a/b|exact|"])
        dom0.rm("/a")
        #expect(dom0.takeEvents() == ["/a|deep|", "/a|near|"])
    }

    // MARK: Order

    @Test func eventsComeBeforeTheReply() {
        dom0.listen("/a")
        for (operation, payload) in [
            (.write, "/a\0v"), (.setPermissions, "/a\0n0\0"), (.makeDirectory, "/a/b\0"), (.remove, "/a\0"),
        ] as [(Operation, String)] {
            dom0.client.send(operation.rawValue, Array(payload.utf8))
            house.host.settle()
            let messages = dom0.client.takeMessages()
            #expect(messages.map(\.isEvent) == [true, false], "\(operation)")
            #expect(
                messages.first?.header
                    == Header(type: 15, request: 0, transaction: 0, length: messages[0].header.length))
        }
    }

    @Test func watchesOfOneChangeAreToldInTheOrderOfTheirMaking() {
        for path in ["/a/b", "/", "/a", "/a/b/c"] { dom0.listen(path, path) }
        dom0.listen("/a/b", "again")
        dom0.write("/a/b/c")
        #expect(dom0.takeEvents() == ["/a/b", "/", "/a", "/a/b/c", "again"].map { "/a/b/c|\($0)|" })
    }

    // MARK: Equal events

    @Test func equalEventsThatWaitAreOne() {
        let other = house.caller(0)
        other.listen("/a", "t")
        other.listen("/a", "u")
        other.client.appetite = 0
        for _ in 0..<300 { dom0.write("/a") }
        dom0.write("/a/b")
        dom0.write("/a")
        other.client.resume()
        #expect(other.takeEvents() == ["/a|t|", "/a|u|", "/a/b|t|", "/a/b|u|"])
        dom0.write("/a")
        #expect(other.takeEvents() == ["/a|t|", "/a|u|"])
    }

    @Test func theHalfSentEventCountsAsWaiting() {
        let other = house.caller(0)
        other.listen("/a")
        other.client.appetite = 5
        dom0.write("/a")
        dom0.write("/a")
        other.client.resume()
        #expect(other.takeEvents() == ["/a|t|"])
    }

    @Test func eventsOfSpecialsAreNeverOne() {
        let other = house.caller(0)
        other.listen("@releaseDomain")
        other.client.appetite = 0
        for _ in 0..<3 { dom0.setPermissions("@releaseDomain", "n0") }
        other.client.resume()
        #expect(other.takeEvents().count == 3)
    }

    /// XSA-324.
    @Test func anEventTooLargeForAMessageIsNotSent() {
        let token = String(repeating: "t", count: 2000)
        dom0.listen("/", token)
        let fits = "/" + String(repeating: "p", count: 4096 - 2 - 2000 - 1)
        dom0.write(fits)
        #expect(dom0.takeEvents() == ["\(fits)|\(token)|"])
        #expect(dom0.write(fits + "p") == .ok)
        #expect(dom0.takeEvents() == [])
        #expect(dom0.read("/tool") == .text(""))
    }
}
