// SPDX-License-Identifier: Apache-2.0

/// Looking back, and going back.
extension Store {
    /// Opens a snapshot of the store as it is now, at no cost, and returns its moment. It must be
    /// closed. One that is undoable can be gone back to while it is the newest.
    func openSnapshot(undoable: Bool = false, reader: SnapshotReader? = nil) -> UInt64 {
        snapshots.open(at: generation, undoable: undoable, reader: reader)
        return generation
    }

    /// Closes a snapshot, opened as `undoable` or not and by `reader`, and frees what only it showed.
    ///
    /// What others have written while a guest's snapshot was open is not the guest's work: much of it is freed
    /// in slices, by ``freeLeftovers()``. What may have to be undone is handed on at once.
    func closeSnapshot(_ moment: UInt64, undoable: Bool = false, reader: SnapshotReader? = nil) {
        guard let (kept, isNeeded) = snapshots.close(moment, undoable: undoable, reader: reader) else { return }
        if kept.isEmpty { return }
        if isNeeded || leftovers.isEmpty && kept.count <= Store.littleLeft {
            for kept in kept { handOn(kept) }
        } else {
            leftovers.append(kept)
        }
    }

    /// As many leftovers of closed snapshots are freed in one turn: some tens of microseconds of work.
    private static var sliceOfLeftovers: Int { 512 }
    /// What leaves less than this is freed at once, as part of the request that closes it.
    private static var littleLeft: Int { 64 }

    /// Frees a slice of what closed snapshots have left. Returns whether there is more.
    func freeLeftovers() -> Bool {
        for _ in 0..<Store.sliceOfLeftovers {
            guard let kept = leftovers.takeFirst() else { return false }
            handOn(kept)
        }
        return !leftovers.isEmpty
    }

    /// Keeps something for the next older snapshot that shows it, or frees it.
    private func handOn(_ kept: Snapshots.Kept) {
        switch kept {
        case .node(let id):
            let node = pointer(id).pointee
            if let heir = snapshots.showing(from: node.created, until: node.removed) {
                snapshots.keep(kept, at: heir, bytes: footprint(of: node), permissions: permissions[node.permissions])
            } else if node.versions != 0 {
                // Left by an older snapshot that was closed after this one: they come before the node.
                leftovers.append([kept])
            } else {
                free(id)
            }
        case .version(let id, let until):
            if let version = version(of: id, until: until)?.pointee,
                let heir = snapshots.showing(from: version.generation, until: until)
            {
                snapshots.keep(kept, at: heir, bytes: version.footprint, permissions: permissions[version.permissions])
            } else {
                dropVersion(of: id, until: until)
            }
        }
    }

    /// Bytes that a removed node takes while it is kept.
    func footprint(of node: Node) -> Int {
        MemoryLayout<Node>.stride + MemoryLayout<Snapshots.Kept>.stride + Int(node.nameLength) + Int(node.valueLength)
            + 24
    }

    /// Goes back to the newest snapshot, which must be undoable and stays open. Whatever was made
    /// since is gone, whatever was changed or removed is as it was; only the generation goes on.
    func undoToNewestSnapshot() {
        let (kept, created) = snapshots.takeNewest()
        let moment = snapshots.newest
        for id in created.reversed() {
            let node = pointer(id).pointee
            // Its number may have come to nothing, or to another node, since.
            guard node.created > moment, node.created != Node.unborn, node.isLive else { continue }
            undoCreation(of: id)
        }
        for kept in kept.reversed() {
            switch kept {
            case .node(let id): undoRemoval(of: id)
            case .version(let id, let until): restoreVersion(of: id, until: until)
            }
        }
    }

    /// Keeps what the node holds if a snapshot shows it. To be called before each change.
    @inline(__always)
    func keepVersion(of id: NodeID) {
        if pointer(id).pointee.generation <= snapshots.newest { addVersion(of: id) }
    }

    private func addVersion(of id: NodeID) {
        let node = pointer(id)
        let value = node.pointee.value
        let block = Store.block(value.count)
        block.copyMemory(from: value)
        permissions.retain(node.pointee.permissions)
        let version = NodeVersion(
            generation: node.pointee.generation, block: block, valueLength: node.pointee.valueLength,
            permissions: node.pointee.permissions, older: node.pointee.versions)
        node.pointee.versions = versions.insert(version)
        snapshots.keep(
            .version(id, until: generation), bytes: version.footprint, permissions: permissions[version.permissions])
    }

    /// The version of the node that was replaced at `until`: the newest that is older than that.
    private func version(of id: NodeID, until: UInt64) -> UnsafeMutablePointer<NodeVersion>? {
        var number = pointer(id).pointee.versions
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
                permissions.release(version.pointee.permissions)
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
        UnsafeMutableRawPointer(pointer(id))
            .advanced(by: MemoryLayout<Node>.offset(of: \.versions) ?? 0)
            .assumingMemoryBound(to: UInt32.self)
    }

    private func restoreVersion(of id: NodeID, until: UInt64) {
        guard let version = version(of: id, until: until)?.pointee else { return }
        if pointer(id).pointee.isLive { charge(id, sign: -1) }
        setContent(of: id, to: version)
        if pointer(id).pointee.isLive { charge(id, sign: 1) }
        dropVersion(of: id, until: until)
    }

    private func setContent(of id: NodeID, to version: NodeVersion) {
        let node = pointer(id)
        let block = Store.block(Int(node.pointee.nameLength) + version.value.count)
        block.copyMemory(from: node.pointee.name)
        (block + Int(node.pointee.nameLength)).copyMemory(from: version.value)
        node.pointee.block.deallocate()
        node.pointee.block = block
        node.pointee.valueLength = version.valueLength
        permissions.retain(version.permissions)
        permissions.release(node.pointee.permissions)
        node.pointee.permissions = version.permissions
        node.pointee.generation = version.generation
    }
}

/// Going back, step by step.
extension Store {
    private func undoCreation(of id: NodeID) {
        charge(id, sign: -1)
        adjustChildNames(for: id, sign: -1)
        count -= 1
        free(id)
    }

    private func undoRemoval(of id: NodeID) {
        pointer(id).pointee.removed = 0
        adjustChildNames(for: id, sign: 1)
        count += 1
        charge(id, sign: 1)
    }

    private func adjustChildNames(for id: NodeID, sign: Int) {
        let node = pointer(id).pointee
        let parent = pointer(node.parent)
        let length = Int(parent.pointee.childNamesLength) + sign * (Int(node.nameLength) + 1)
        parent.pointee.childNamesLength = UInt32(truncatingIfNeeded: length)
    }
}
