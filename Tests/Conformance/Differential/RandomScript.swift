// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// Requests as a busy toolstack with a sense of humour might send them: mostly sensible, about few
/// paths, so that they have to do with each other.
struct RandomScript {
    private var random: Randomness

    init(seed: UInt64) { random = Randomness(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { random.number(range) }
    mutating func once(in times: Int) -> Bool { random.once(in: times) }

    private static let paths = [
        "/", "/a", "/a/b", "/a/b/c", "/a/b/d", "/a/x", "/d", "/d/e", "/d/e/f", "rel", "rel/x", "/local/domain/0/rel",
        "/local/domain/0", "/tool", "/tool/xenstored", "/UPPER_lower-9/@x", "/n",
    ]
    private static let badPaths = ["", "//", "/a/", "/a//b", "a b", "/a.b", "/local/domain/", "@releaseDomain", "@x"]
    private static let values = ["", "v", "w", "a longer value", "with\0NUL", String(repeating: "x", count: 3000)]
    private static let tokens = ["t", "u", "", "a token"]
    // Domains that exist, so that both daemons think alike of them.
    private static let lists = [
        "n0", "r0", "b0", "w0", "n1", "n0\0r1", "b2\0r1\0w0", "r1\0n2\0b0", "x0", "0", "n0\0z1", "",
    ]

    private mutating func path() -> String {
        random.once(in: 15) ? random.any(of: RandomScript.badPaths) : random.any(of: RandomScript.paths)
    }

    /// Not of special nodes: C xenstored 4.17 tells nobody that their permissions change, and may die
    /// of those of one that is not there.
    private mutating func ownPath() -> String {
        let path = path()
        return path.hasPrefix("@") ? "/a" : path
    }

    /// A request on the tree.
    mutating func treeRequest() -> Message {
        switch random.number(1...100) {
        case ...30: Message(.write, "\(path())\0\(random.any(of: RandomScript.values))")
        case ...40: Message(.mkdir, "\(path())\0")
        case ...52: Message(.rm, "\(path())\0")
        case ...68: Message(.read, "\(path())\0")
        case ...80: Message(.directory, "\(path())\0")
        case ...85: Message(.directoryPart, "\(path())\0\(random.any(of: ["0", "2", "4", "99", "-1"]))\0")
        case ...91: Message(.getPerms, "\(path())\0")
        default: Message(.setPerms, "\(ownPath())\0\(random.any(of: RandomScript.lists))\0")
        }
    }

    /// Any request that needs no transaction.
    mutating func request() -> Message {
        switch random.number(1...100) {
        case ...70: treeRequest()
        case ...82: Message(.watch, "\(watchPath())\0\(random.any(of: RandomScript.tokens))\0")
        case ...88: Message(.unwatch, "\(watchPath())\0\(random.any(of: RandomScript.tokens))\0")
        case ...89: Message(.resetWatches, "\0")
        case ...91: Message(.getDomainPath, "\(random.any(of: ["0", "7", "65535", "65536", "-1", "x"]))\0")
        case ...93: Message(.isDomainIntroduced, "\(random.any(of: ["0", "1", "7", "32752"]))\0")
        case ...95: Message(random.any(of: [.release, .resume]), "\(random.any(of: ["0", "1", "7", "x"]))\0")
        case ...97: Message(Op(rawValue: random.any(of: [15, 16, 20, 30, 99])), "/a\0")
        default: unknownTransaction()
        }
    }

    private mutating func watchPath() -> String {
        random.once(in: 8) ? random.any(of: ["@introduceDomain", "@releaseDomain", "@anything"]) : path()
    }

    private mutating func unknownTransaction() -> Message {
        var request = random.once(in: 3) ? Message(.transactionEnd, "T\0") : treeRequest()
        request.transaction = 4711
        return request
    }
}
