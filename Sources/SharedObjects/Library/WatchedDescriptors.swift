// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The descriptors that a plugin watches, by their numbers: the system gives small ones. A plugin asks for them with
/// each reply, so a dictionary would cost too much.
struct WatchedDescriptors {
    private struct Watch {
        let handler: SharedDescriptor
        var readiness: Readiness
    }

    private var watches: [Watch?] = []

    /// All that are watched.
    var numbers: [Int32] { watches.indices.filter { watches[$0] != nil }.map { Int32($0) } }

    func contains(_ descriptor: Int32) -> Bool { self[descriptor] != nil }

    private subscript(descriptor: Int32) -> Watch? {
        watches.indices.contains(Int(descriptor)) ? watches[Int(descriptor)] : nil
    }

    /// The caller has found out that the descriptor is a valid one.
    mutating func add(_ descriptor: Int32, _ handler: SharedDescriptor, for readiness: Readiness) {
        while watches.count <= Int(descriptor) { watches.append(nil) }
        watches[Int(descriptor)] = Watch(handler: handler, readiness: readiness)
    }

    /// Returns false if the descriptor is not watched.
    mutating func remove(_ descriptor: Int32) -> Bool {
        guard self[descriptor] != nil else { return false }
        watches[Int(descriptor)] = nil
        return true
    }

    mutating func removeAll() { watches = [] }

    /// Whether the loop must hear of the change; nil if the descriptor is not watched.
    mutating func change(_ descriptor: Int32, to readiness: Readiness) -> Bool? {
        guard watches.indices.contains(Int(descriptor)), let watch = watches[Int(descriptor)] else { return nil }
        if watch.readiness == readiness { return false }
        watches[Int(descriptor)]?.readiness = readiness
        return true
    }
}
