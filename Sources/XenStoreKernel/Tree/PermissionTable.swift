// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// A permission list that the store keeps, by number.
struct PermissionsID: Hashable {
    var number: UInt32
}

/// The permission lists in use. Each is kept once, as almost all nodes share a few of them.
final class PermissionTable {
    private struct Entry {
        var list: PermissionList
        var users: Int
        /// The first and the last of the nodes in the tree that have this list.
        var firstNode = NodeID.none
        var lastNode = NodeID.none
    }

    private var entries: [Entry?] = []
    private var free: [UInt32] = []
    private var numbers: [PermissionList: PermissionsID] = [:]
    /// The lists that name each domain, except dom0, which never ends and owns most nodes.
    private var naming: [DomainID: Set<PermissionsID>] = [:]
    /// The last list that was derived for a new owner. Guests create many nodes below one parent.
    private var lastDerived: (from: PermissionsID, owner: DomainID, to: PermissionsID)?

    subscript(id: PermissionsID) -> PermissionList {
        guard let entry = entries[Int(id.number)] else { preconditionFailure("list not in use") }
        return entry.list
    }

    func owner(of id: PermissionsID) -> DomainID { self[id].owner }

    /// The number of a list equal to `list`. Adds one user.
    func retain(_ list: PermissionList) -> PermissionsID {
        if let id = numbers[list] {
            retain(id)
            return id
        }
        let id: PermissionsID
        if let number = free.popLast() {
            id = PermissionsID(number: number)
            entries[Int(number)] = Entry(list: list, users: 1)
        } else {
            id = PermissionsID(number: UInt32(entries.count))
            entries.append(Entry(list: list, users: 1))
        }
        numbers[list] = id
        for domain in list.guests { naming[domain, default: []].insert(id) }
        return id
    }

    func retain(_ id: PermissionsID) {
        entries[Int(id.number)]!.users += 1
    }

    func release(_ id: PermissionsID) {
        entries[Int(id.number)]!.users -= 1
        if entries[Int(id.number)]!.users > 0 { return }
        if let derived = lastDerived, derived.from == id || derived.to == id { lastDerived = nil }
        for domain in self[id].guests {
            naming[domain]?.remove(id)
            if naming[domain]?.isEmpty == true { naming[domain] = nil }
        }
        numbers[self[id]] = nil
        entries[Int(id.number)] = nil
        free.append(id.number)
    }

    /// The list of a node that `creator` creates below one with the list `parent`: the parent's list, with `creator` as
    /// its owner. Nil is a privileged client, which changes no owner. Adds one user.
    func retainInherited(from parent: PermissionsID, creator: DomainID?) -> PermissionsID {
        guard let creator, owner(of: parent) != creator else {
            retain(parent)
            return parent
        }
        if let derived = lastDerived, derived.from == parent, derived.owner == creator {
            retain(derived.to)
            return derived.to
        }
        let id = retain(self[parent].owned(by: creator))
        lastDerived = (parent, creator, id)
        return id
    }

    // MARK: Finding

    /// Every domain that some list names, but dom0, by number.
    var namedDomains: [DomainID] { naming.keys.sorted() }

    /// The lists that name a domain, as owner or otherwise, in the order of their numbers.
    func lists(naming domain: DomainID) -> [PermissionsID] {
        (naming[domain] ?? []).sorted { $0.number < $1.number }
    }

    /// The first of the nodes in the tree that have this list; ``Node/nextAlike`` is the next one.
    func firstNode(with id: PermissionsID) -> NodeID { entries[Int(id.number)]?.firstNode ?? .none }

    /// The last of these nodes.
    func lastNode(with id: PermissionsID) -> NodeID { entries[Int(id.number)]?.lastNode ?? .none }

    func setFirstNode(_ node: NodeID, with id: PermissionsID) { entries[Int(id.number)]?.firstNode = node }
    func setLastNode(_ node: NodeID, with id: PermissionsID) { entries[Int(id.number)]?.lastNode = node }
}

extension PermissionList {
    /// The domains that it names and that can end, each at least once.
    fileprivate var guests: [DomainID] {
        entries.map(\.domain).filter { $0 != .control && $0 != .any }
    }
}
