// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

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
