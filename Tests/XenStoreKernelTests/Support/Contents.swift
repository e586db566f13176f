import XenStoreWire

// SPDX-License-Identifier: Apache-2.0
@testable import XenStoreKernel

/// Everything a store holds, as values: for comparing two moments, two stores, or a store and a model.
struct Contents: Equatable {
    struct Node: Equatable {
        var value: [UInt8]
        var permissions: [Permission]
        var children: [String]
    }
    var nodes: [String: Node] = [:]

    init() {}

    init(of store: Store) {
        store.forEachPostorder(from: store.root) { id in
            var children: [String] = []
            var child = store.firstChild(of: id)
            while child.exists {
                children.append(String(decoding: store.name(of: child), as: UTF8.self))
                child = store.nextSibling(of: child)
            }
            let content = store.content(of: id)
            nodes[String(decoding: store.path(of: id), as: UTF8.self)] = Node(
                value: Array(content.value), permissions: store.permissions[content.permissions].entries,
                children: children)
        }
    }
}

/// Random numbers from a seed: the same test, the same run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
