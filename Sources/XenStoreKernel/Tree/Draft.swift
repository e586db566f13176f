// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The tree as one transaction sees it: the store as it was when the transaction started, and the transaction's own
/// changes on top. The store itself does not know them.
final class Draft {
    private let store: Store
    let serial: UInt64
    /// The generation of the snapshot on which the draft is based.
    let generation: UInt64
    /// The reader that pays for what the snapshot pins. Nil if nobody has to pay.
    private let reader: (any SnapshotReader)?
    /// Changes of nodes that the snapshot shows.
    private var shadows: [NodeID: Shadow] = [:]
    /// Nodes that only this draft has, by the hash of their path.
    private var added: [UInt64: NodeID] = [:]
    private var changes: UInt64 = 0
    /// The paths that were read or changed, in the order of the first time. Events come in this order.
    private(set) var touched: [UInt64: Int] = [:]
    /// The large subtrees that were removed as a whole. Their nodes are not in ``touched``: they come after `position`
    /// other paths, each before its children.
    private(set) var detached: [(top: NodeID, position: Int)] = []
    /// The number of nodes that each domain would own more.
    private(set) var nodesByOwner: [DomainID: Int] = [:]
    /// The number of times that a node was read or changed.
    private(set) var work = 0
    /// The number of siblings that the draft has passed and does not show, because others have made or removed them.
    private(set) var skipped = 0
    /// Above these bounds the draft takes nothing more. ``isExhausted`` says whether it has reached them.
    var bounds = Bounds(nodes: .max, work: .max)

    struct Bounds {
        /// The number of different nodes.
        var nodes: Int
        /// The number of all reads and changes.
        var work: Int
    }

    /// The bytes of the changed and added nodes.
    private var changed = 0

    private struct Shadow {
        var block: UnsafeMutableRawPointer?
        var valueLength = 0
        var permissions: PermissionsID?
        var generation: UInt64 = 0
        var isRemoved = false
        var firstAdded = NodeID.none
        var lastAdded = NodeID.none
    }

    /// The bytes that a changed or added node takes beside its text: the record, its place in a table, and malloc's
    /// own. Then the bytes that a touched path takes.
    private static let nodeOverhead = 176
    private static let touchOverhead = 40

    init(of store: Store, reader: (any SnapshotReader)? = nil) {
        self.store = store
        self.reader = reader
        serial = store.nextDraftSerial()
        generation = store.history.openSnapshot(reader: reader)
    }

    /// The bytes that the draft holds, without those that the snapshot pins.
    var memory: Int { changed + touched.count * Draft.touchOverhead }
    /// The bytes of others' older versions for which the draft's reader pays.
    var pinned: Int { reader?.pinned ?? 0 }
    /// Whether the requests have touched more than they may.
    var isExhausted: Bool { touched.count > bounds.nodes || work > bounds.work }
    /// Whether the draft has something to commit.
    var hasChanges: Bool { changes > 0 }

    /// Drops everything that the draft holds. Nobody may use it after that.
    func close() {
        for shadow in shadows.values {
            shadow.block?.deallocate()
            if let list = shadow.permissions { store.permissions.release(list) }
        }
        shadows = [:]
        for id in added.values { store.nodes.release(id) }
        added = [:]
        store.history.closeSnapshot(generation, reader: reader)
        reader?.release()
    }

    private func isAdded(_ id: NodeID) -> Bool {
        store.pointer(id).pointee.created == Node.unborn
    }

    private func change(_ id: NodeID, _ body: (inout Shadow) -> Void) {
        changes += 1
        if shadows[id] == nil { changed += Draft.nodeOverhead }
        body(&shadows[id, default: Shadow()])
        shadows[id]?.generation = generation &+ changes
    }

    /// Marks a node and all nodes below it as touched, each before its children: the events of their removal come in
    /// this order. Stops when the draft is exhausted.
    func touchSubtree(_ top: NodeID) {
        var node = top
        while node.exists, !isExhausted {
            markTouched(store.pointer(node).pointee.hash)
            work += 1
            node = next(after: node, within: top)
        }
    }

    /// Removes a node of the snapshot with everything below it, in a few steps. The caller has no limits: what each
    /// domain would own less is not counted.
    func detach(_ top: NodeID) {
        markTouched(store.pointer(top).pointee.hash)
        detached.append((top, touched.count))
        for (hash, id) in added where isBelow(id, top) {
            added[hash] = nil
            forget(added: id)
        }
        removeLeaf(top)
    }

    /// Whether the draft may remove the node as a whole.
    func canDetach(_ top: NodeID) -> Bool {
        !isAdded(top) && isSubtree(top, largerThan: store.history.slices.smallTree)
    }

    private func isBelow(_ id: NodeID, _ top: NodeID) -> Bool {
        var id = parent(of: id)
        while id.exists, id != top { id = parent(of: id) }
        return id.exists
    }

    private func markTouched(_ hash: UInt64) {
        if touched[hash] == nil { touched[hash] = touched.count }
    }

    private func own(_ id: NodeID, _ amount: Int) {
        let owner = store.permissions.owner(of: content(of: id).permissions)
        nodesByOwner[owner, default: 0] += amount
    }
}

extension Draft: Tree {
    static var isLive: Bool { false }

    func find(_ path: Path) -> NodeID {
        markTouched(path.hash)
        let id = lookUp(path)
        // The look-up has compared each of its ancestors.
        work += id.exists ? max(1, path.depth) : 1
        return id
    }

    private func lookUp(_ path: Path) -> NodeID {
        if let id = added[path.hash], store.pointer(id).pointee.name.isEqual(to: path.name) { return id }
        let id = store.nodes.find(path, at: generation)
        return id.exists && isRemoved(id) ? .none : id
    }

    /// Whether the draft has removed the node, or an ancestor with everything below it.
    private func isRemoved(_ id: NodeID) -> Bool {
        if shadows[id]?.isRemoved == true { return true }
        if detached.isEmpty { return false }
        var id = parent(of: id)
        while id.exists, shadows[id]?.isRemoved != true { id = parent(of: id) }
        return id.exists
    }

    func content(of id: NodeID) -> NodeContent {
        if isAdded(id) { return store.content(of: id) }
        var content = store.history.content(of: id, at: generation)
        guard let shadow = shadows[id] else { return content }
        if let block = shadow.block {
            content.value = UnsafeRawBufferPointer(start: block, count: shadow.valueLength)
        }
        if let permissions = shadow.permissions { content.permissions = permissions }
        if shadow.generation > 0 { content.generation = shadow.generation }
        return content
    }

    func name(of id: NodeID) -> UnsafeRawBufferPointer { store.name(of: id) }

    func parent(of id: NodeID) -> NodeID { store.parent(of: id) }

    func firstChild(of id: NodeID) -> NodeID {
        if isAdded(id) { return store.pointer(id).pointee.firstChild }
        let child = firstShown(from: store.pointer(id).pointee.firstChild)
        return child.exists ? child : shadows[id]?.firstAdded ?? .none
    }

    func nextSibling(of id: NodeID) -> NodeID {
        let next = store.pointer(id).pointee.nextSibling
        if isAdded(id) { return next }
        let shown = firstShown(from: next)
        return shown.exists ? shown : shadows[parent(of: id)]?.firstAdded ?? .none
    }

    /// The first of a chain of siblings that the snapshot shows and the draft has not removed.
    private func firstShown(from id: NodeID) -> NodeID {
        var id = id
        while id.exists {
            if store.pointer(id).pointee.existed(at: generation), shadows[id]?.isRemoved != true { return id }
            skipped += 1
            id = store.pointer(id).pointee.nextSibling
        }
        return .none
    }

    func childNamesLength(of id: NodeID, limit: Int) -> Int {
        var length = 0
        var child = firstChild(of: id)
        while child.exists, length <= limit {
            length += Int(store.pointer(child).pointee.nameLength) + 1
            child = nextSibling(of: child)
        }
        return length
    }

    func create(_ path: Path, parent: NodeID, permissions: PermissionsID, value: UnsafeRawBufferPointer) -> NodeID {
        let id = store.nodes.allocate(
            name: path.name, value: value, hash: path.hash, pathLength: path.bytes.count, parent: parent,
            permissions: permissions, created: Node.unborn)
        changes += 1
        store.pointer(id).pointee.generation = generation &+ changes
        added[path.hash] = id
        append(id, to: parent)
        own(id, 1)
        changed += Draft.nodeOverhead + path.name.count + value.count
        work += 1
        return id
    }

    func setValue(of id: NodeID, to value: UnsafeRawBufferPointer) {
        if isAdded(id) {
            changes += 1
            changed += value.count - Int(store.pointer(id).pointee.valueLength)
            store.nodes.replaceValue(of: store.pointer(id), by: value)
            store.pointer(id).pointee.generation = generation &+ changes
            return
        }
        change(id) { shadow in
            changed += value.count - (shadow.block == nil ? 0 : shadow.valueLength)
            shadow.block?.deallocate()
            let block = NodeTable.block(value.count)
            block.copyMemory(from: value)
            shadow.block = block
            shadow.valueLength = value.count
        }
    }

    func setPermissions(of id: NodeID, to permissions: PermissionsID) {
        own(id, -1)
        if isAdded(id) {
            store.permissions.release(store.pointer(id).pointee.permissions)
            store.pointer(id).pointee.permissions = permissions
        } else {
            change(id) { shadow in
                if let old = shadow.permissions { store.permissions.release(old) }
                shadow.permissions = permissions
            }
        }
        own(id, 1)
    }

    func removeLeaf(_ id: NodeID) {
        own(id, -1)
        let parent = parent(of: id)
        if isAdded(id) {
            remove(added: id, from: parent)
        } else {
            change(id) { $0.isRemoved = true }
        }
        work += 1
        touch(parent)
    }

    private func touch(_ parent: NodeID) {
        if isAdded(parent) {
            changes += 1
            store.pointer(parent).pointee.generation = generation &+ changes
        } else {
            change(parent) { _ in }
        }
    }

    /// Links an added node after its siblings: below an added parent in the parent itself, below a node of the snapshot
    /// in that node's shadow.
    private func append(_ id: NodeID, to parent: NodeID) {
        if isAdded(parent) {
            store.nodes.append(id, to: parent)
            touch(parent)
            return
        }
        change(parent) { shadow in
            if shadow.lastAdded.exists {
                store.pointer(shadow.lastAdded).pointee.nextSibling = id
                store.pointer(id).pointee.previousSibling = shadow.lastAdded
            } else {
                shadow.firstAdded = id
            }
            shadow.lastAdded = id
        }
    }

    private func remove(added id: NodeID, from parent: NodeID) {
        let node = store.pointer(id).pointee
        added[node.hash] = nil
        if isAdded(parent) {
            store.nodes.unlink(id)
        } else {
            change(parent) { shadow in
                if shadow.firstAdded == id { shadow.firstAdded = node.nextSibling }
                if shadow.lastAdded == id { shadow.lastAdded = node.previousSibling }
            }
            if node.previousSibling.exists {
                store.pointer(node.previousSibling).pointee.nextSibling = node.nextSibling
            }
            if node.nextSibling.exists {
                store.pointer(node.nextSibling).pointee.previousSibling = node.previousSibling
            }
        }
        forget(added: id)
    }

    /// Frees an added node to which nothing leads any more.
    private func forget(added id: NodeID) {
        let node = store.pointer(id).pointee
        changed -= Draft.nodeOverhead + Int(node.nameLength) + Int(node.valueLength)
        store.nodes.release(id)
    }
}
