// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The same requests to our daemon and to Debian's C xenstored 4.17: the same answers, and the same
/// events in the same order, but for the differences that we mean.
@Suite(.slow, .enabled(if: CDaemon.obstacle == nil, Comment(rawValue: CDaemon.obstacle ?? "")))
struct DifferentialTests {
    @Test(arguments: 1...12) func answersAsTheCDaemonDoes(seed: Int) throws {
        var script = RandomScript(seed: UInt64(seed))
        let pair = try Pair(clients: 3)
        for _ in 0..<300 {
            let client = script.number(0...2)
            if script.once(in: 12) {
                // What it touches it touches before the others do: C xenstored's transactions see
                // changes that were made after their start, ours don't.
                let inside = (0..<script.number(0...6)).map { _ in script.treeRequest() }
                let outside = script.once(in: 2) ? [] : (0..<script.number(1...3)).map { _ in script.treeRequest() }
                try pair.compareTransaction(
                    inside, meanwhile: outside, ending: script.once(in: 4) ? "F\0" : "T\0", from: client)
            } else {
                try pair.compare(script.request(), from: client)
            }
        }
        try pair.compareTrees()
    }

    @Test(arguments: KnownDifference.all) func differsFromTheCDaemonOnlyAsListed(_ difference: KnownDifference) throws {
        let pair = try Pair(clients: 1)
        for request in difference.before { try pair.compare(request, from: 0) }
        let (ours, theirs) = try pair.answers(to: difference.example, from: 0)
        #expect(ours == difference.ours)
        #expect(theirs == difference.theirs)
    }
}
