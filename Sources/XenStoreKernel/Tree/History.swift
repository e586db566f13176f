// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The past of the store: what open snapshots show of nodes that have changed or are gone since, and the way back to
/// it.
final class History {
    private let nodes: NodeTable
    private var versions = Slab<NodeVersion>()
    private(set) var snapshots = Snapshots()
    /// What closed snapshots have left, and what must still be handed on or freed.
    private var leftovers = Leftovers()
    /// The subtrees that were removed as a whole, and that nobody has to bring back any more.
    private var detached: DetachedTrees
    /// The number of detached subtrees whose nodes are not all gone, with those that somebody may have to bring back.
    private(set) var detachedCount = 0
    /// What was found out with ``detachedUsage(of:)`` since the last change of what is detached.
    private var detachedUsages: [DomainID: Usage] = [:]
    /// A larger subtree is removed as a whole.
    var slices = Slices()

    /// How much work others wait for at most. So that tests with small trees cut them up as well, a debug build has
    /// small numbers.
    struct Slices {
        #if DEBUG
            private static let usual = (smallTree: 1, nodes: 2)
        #else
            private static let usual = (smallTree: 2048, nodes: 2048)
        #endif
        /// The number of nodes of the largest subtree that is removed node by node, as part of a request.
        var smallTree = usual.smallTree
        /// The number of nodes that one turn frees of a larger one: some hundreds of microseconds of work.
        var nodes = usual.nodes
    }

    init(of nodes: NodeTable) {
        self.nodes = nodes
        detached = DetachedTrees(in: nodes)
    }

    /// The number of older versions that are kept.
    var versionCount: Int { versions.count }
    /// Whether there is something to free: see ``freeSlice()``.
    var mustFree: Bool { detachedCount > 0 || !leftovers.isEmpty }

    /// The node's content at this generation.
    func content(of id: NodeID, at generation: UInt64) -> NodeContent {
        let node = nodes.pointer(id)
        if node.pointee.generation <= generation { return NodeContent(node.pointee) }
        var number = node.pointee.versions
        while number != 0 {
            let version = versions[number]
            if version.pointee.generation <= generation {
                return NodeContent(
                    value: version.pointee.value, permissions: version.pointee.permissions,
                    generation: version.pointee.generation)
            }
            number = version.pointee.older
        }
        preconditionFailure("a snapshot lacks a version of a node it shows")
    }

    /// What still counts to a domain, though it was removed with an ancestor; nil if nothing is detached. A client that is
    /// refused again and again asks each time, and each look is at all nodes of the domain: so there is one in a turn.
    func detachedUsage(of domain: DomainID) -> Usage? {
        if detachedCount == 0 { return nil }
        if let known = detachedUsages[domain] { return known }
        let usage = nodes.detachedUsage(of: domain)
        detachedUsages[domain] = usage
        return usage
    }

    // MARK: Snapshots

    /// Opens a snapshot of the store as it is now, at no cost, and returns its generation. The caller must close it.
    /// The caller can undo all changes since an `undoable` snapshot while it is the newest one.
    func openSnapshot(undoable: Bool = false, reader: (any SnapshotReader)? = nil) -> UInt64 {
        snapshots.open(at: nodes.generation, undoable: undoable, reader: reader)
        return nodes.generation
    }

    /// Closes a snapshot that was opened with the same `undoable` and `reader`, and frees what only it showed.
    ///
    /// Others may have written much while a guest's snapshot was open. That is not the guest's work, so
    /// ``freeSlice()`` frees it in slices. What an older snapshot may have to undo is handed on at once.
    func closeSnapshot(_ generation: UInt64, undoable: Bool = false, reader: (any SnapshotReader)? = nil) {
        defer { if snapshots.hasReleased { detached.append(snapshots.takeReleased()) } }
        guard let (kept, isNeeded) = snapshots.close(generation, undoable: undoable, reader: reader) else { return }
        if kept.isEmpty { return }
        if isNeeded || leftovers.isEmpty && kept.count <= History.littleLeft {
            for kept in kept { handOn(kept) }
            snapshots.giveBack(kept)
        } else {
            leftovers.append(kept)
        }
    }

    /// The number of leftovers that one turn frees: some tens of microseconds of work.
    private static let sliceOfLeftovers = 512
    /// A snapshot that leaves less than this is freed at once, as part of the request that closes it.
    private static let littleLeft = 64

    /// Frees a slice of what closed snapshots have left, and of detached subtrees. Returns whether more is left.
    func freeSlice() -> Bool {
        detachedUsages = [:]
        for _ in 0..<History.sliceOfLeftovers {
            guard let kept = leftovers.takeFirst() else { break }
            handOn(kept)
        }
        for _ in 0..<slices.nodes {
            guard let (id, removed, isTop) = detached.takeNext() else { break }
            if nodes.pointer(id).pointee.isLive {
                nodes.discharge(id)
                nodes.markRemoved(id, since: removed)
            }
            handOn(.node(id))
            if isTop { detachedCount -= 1 }
        }
        return !detached.isEmpty || !leftovers.isEmpty
    }

    /// Frees a removed node that no snapshot shows.
    func freeUnshown(_ id: NodeID) {
        let node = nodes.pointer(id).pointee
        // Versions, or removed nodes below this one, must go before it.
        if node.firstChild.exists, !detached.isEmpty {
            detachedCount += 1
            detached.append([id])
        } else if node.versions != 0 || node.firstChild.exists {
            leftovers.append([.node(id)])
        } else {
            nodes.free(id)
        }
    }

    /// Keeps something for the next older snapshot that shows it, or frees it if there is none.
    private func handOn(_ kept: Snapshots.Kept) {
        switch kept {
        case .node(let id):
            let node = nodes.pointer(id).pointee
            if let heir = snapshots.showing(from: node.created, until: node.removed) {
                snapshots.keep(
                    kept, at: heir, bytes: footprint(of: node), permissions: nodes.permissions[node.permissions])
            } else {
                freeUnshown(id)
            }
        case .version(let id, let until):
            if let version = version(of: id, until: until)?.pointee,
                let heir = snapshots.showing(from: version.generation, until: until)
            {
                snapshots.keep(
                    kept, at: heir, bytes: version.footprint, permissions: nodes.permissions[version.permissions])
            } else {
                dropVersion(of: id, until: until)
            }
        }
    }

    /// The bytes that a removed node takes while it is kept.
    private func footprint(of node: Node) -> Int {
        MemoryLayout<Node>.stride + MemoryLayout<Snapshots.Kept>.stride + Int(node.nameLength) + Int(node.valueLength)
            + 24
    }

    /// Undoes all changes since the newest snapshot, which must be undoable and stays open. Created nodes are gone,
    /// changed and removed ones are as before. Only the generation goes on.
    func undoToNewestSnapshot() {
        let (kept, created, detached) = snapshots.takeNewest()
        detachedUsages = [:]
        let generation = snapshots.newest
        for top in detached.reversed() { undoRemoval(of: top) }
        detachedCount -= detached.count
        for id in created.reversed() {
            let node = nodes.pointer(id).pointee
            // The node may be gone since, and its number may belong to another node.
            guard node.created > generation, node.created != Node.unborn, node.isLive else { continue }
            undoCreation(of: id)
        }
        for kept in kept.reversed() {
            switch kept {
            case .node(let id): undoRemoval(of: id)
            case .version(let id, let until): restoreVersion(of: id, until: until)
            }
        }
    }

    // MARK: Keeping

    /// Remembers the created node for a snapshot to which the store may have to go back.
    @inline(__always)
    func addCreation(of id: NodeID) {
        if snapshots.keepsCreations { snapshots.addCreation(of: id) }
    }

    /// Keeps a removed node if a snapshot shows it. Returns false if none does.
    func keep(removed id: NodeID) -> Bool {
        let node = nodes.pointer(id).pointee
        if node.created > snapshots.newest { return false }
        snapshots.keep(.node(id), bytes: footprint(of: node), permissions: nodes.permissions[node.permissions])
        return true
    }

    /// Keeps the top of a detached subtree as long as somebody may have to bring it back. Then the subtree is freed.
    func keep(detached top: NodeID) {
        detachedUsages = [:]
        detachedCount += 1
        if !snapshots.keep(detached: top) { detached.append([top]) }
    }

    /// Keeps the node's content if a snapshot shows it. To be called before each change.
    @inline(__always)
    func keepVersion(of id: NodeID) {
        if nodes.pointer(id).pointee.generation <= snapshots.newest { addVersion(of: id) }
    }

    private func addVersion(of id: NodeID) {
        let node = nodes.pointer(id)
        let value = node.pointee.value
        let block = NodeTable.block(value.count)
        block.copyMemory(from: value)
        nodes.permissions.retain(node.pointee.permissions)
        let version = NodeVersion(
            generation: node.pointee.generation, block: block, valueLength: node.pointee.valueLength,
            permissions: node.pointee.permissions, older: node.pointee.versions)
        node.pointee.versions = versions.insert(version)
        snapshots.keep(
            .version(id, until: nodes.generation), bytes: version.footprint,
            permissions: nodes.permissions[version.permissions])
    }

    /// The version of the node that was replaced at `until`: the newest one before it.
    private func version(of id: NodeID, until: UInt64) -> UnsafeMutablePointer<NodeVersion>? {
        var number = nodes.pointer(id).pointee.versions
        while number != 0 {
            let version = versions[number]
            if version.pointee.generation < until { return version }
            number = version.pointee.older
        }
        return nil
    }

    private func dropVersion(of id: NodeID, until: UInt64) {
        var link: UnsafeMutablePointer<UInt32> = pointerToVersions(of: id)
        while link.pointee != 0 {
            let number = link.pointee
            let version = versions[number]
            if version.pointee.generation < until {
                link.pointee = version.pointee.older
                nodes.permissions.release(version.pointee.permissions)
                version.pointee.block.deallocate()
                versions.remove(number)
                return
            }
            link = UnsafeMutableRawPointer(version)
                .advanced(by: MemoryLayout<NodeVersion>.offset(of: \.older) ?? 0)
                .assumingMemoryBound(to: UInt32.self)
        }
    }

    private func pointerToVersions(of id: NodeID) -> UnsafeMutablePointer<UInt32> {
        UnsafeMutableRawPointer(nodes.pointer(id))
            .advanced(by: MemoryLayout<Node>.offset(of: \.versions) ?? 0)
            .assumingMemoryBound(to: UInt32.self)
    }

    private func restoreVersion(of id: NodeID, until: UInt64) {
        guard let version = version(of: id, until: until)?.pointee else { return }
        if nodes.pointer(id).pointee.isLive {
            nodes.recharge(id) { setContent(of: id, to: version) }
        } else {
            setContent(of: id, to: version)
        }
        dropVersion(of: id, until: until)
    }

    private func setContent(of id: NodeID, to version: NodeVersion) {
        let node = nodes.pointer(id)
        let block = NodeTable.block(Int(node.pointee.nameLength) + version.value.count)
        block.copyMemory(from: node.pointee.name)
        (block + Int(node.pointee.nameLength)).copyMemory(from: version.value)
        node.pointee.block.deallocate()
        node.pointee.block = block
        node.pointee.valueLength = version.valueLength
        nodes.permissions.retain(version.permissions)
        nodes.permissions.release(node.pointee.permissions)
        node.pointee.permissions = version.permissions
        node.pointee.generation = version.generation
    }

    // MARK: Going back, step by step

    private func undoCreation(of id: NodeID) {
        let node = nodes.pointer(id).pointee
        nodes.adjustChildNames(of: node.parent, by: -(Int(node.nameLength) + 1))
        nodes.leave(id)
    }

    private func undoRemoval(of id: NodeID) {
        let node = nodes.pointer(id).pointee
        nodes.unmarkRemoved(id)
        nodes.adjustChildNames(of: node.parent, by: Int(node.nameLength) + 1)
    }
}
