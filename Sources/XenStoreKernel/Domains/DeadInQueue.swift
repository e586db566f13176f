// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Domains that are dead, and whose remains wait for a later turn: ten thousand may die at once, and meanwhile nobody
/// would be answered.
struct DeadInQueue {
    private var order: [DomainID] = []
    private var next = 0
    /// Those that wait, by the hypervisor's own name of each.
    private var names: [DomainID: UInt64] = [:]

    var isEmpty: Bool { names.isEmpty }

    /// Whether a dead domain of this number waits.
    func contains(_ id: DomainID) -> Bool { names[id] != nil }

    mutating func append(_ id: DomainID, uniqueID: UInt64) {
        if names.updateValue(uniqueID, forKey: id) == nil { order.append(id) }
    }

    mutating func remove(_ id: DomainID) { names[id] = nil }

    /// Takes the domain that has waited longest.
    mutating func takeFirst() -> (id: DomainID, uniqueID: UInt64)? {
        while next < order.count {
            let id = order[next]
            next += 1
            if let uniqueID = names.removeValue(forKey: id) { return (id, uniqueID) }
        }
        order = []
        next = 0
        return nil
    }
}
