// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin
import XenStoreWire

/// A storage of a shared object.
public final class SharedStorage: SharedPlugin, Storage {
    override init(_ object: SharedObject, _ block: ConfigurationBlock) { super.init(object, block) }
    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        try super.init(configuration)
    }

    public var wantsBatches: Bool { true }

    public func load(into loader: any StateLoader) throws(StorageError) {
        guard let instance else { throw StorageError("a storage that is not loaded") }
        let box = LoaderBox(loader)
        var table = sxp_loader(
            daemon: Unmanaged.passUnretained(box).toOpaque(),
            add_node: { loader, node in LoaderBox.of(loader)?.add(node) ?? EINVAL },
            add_note: { loader, key, keyLength, value, valueLength in
                guard let box = LoaderBox.of(loader) else { return EINVAL }
                box.loader.add(
                    key: UnsafeRawBufferPointer(start: key, count: keyLength),
                    value: UnsafeRawBufferPointer(start: value, count: valueLength))
                return 0
            })
        let code = instance.functions.load?(instance.data, &table) ?? 0
        if let error = box.error { throw error }
        if code != 0 { throw instance.storageError(code, doing: "load the store") }
    }

    public func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {
        guard let instance else { throw StorageError("a storage that is not loaded") }
        try instance.check(instance.functions.begin?(instance.data), "begin a batch")
        do throws(StorageError) {
            try batch.forEach { change throws(StorageError) in try instance.hand(change) }
        } catch {
            instance.functions.abandon?(instance.data)
            throw error
        }
        try instance.check(instance.functions.commit?(instance.data), "commit a batch")
    }

    public func close() { if let instance { instance.functions.finish?(instance.data) } }
}

extension SharedInstance {
    fileprivate func check(_ code: Int32?, _ doing: String) throws(StorageError) {
        if let code, code != 0 { throw storageError(code, doing: doing) }
    }

    fileprivate func hand(_ change: Change) throws(StorageError) {
        var handed = sxp_change()
        switch change {
        case .stored(let node):
            let code: Int32? = node.permissions.withPermissions { permissions in
                node.children.withUnsafeBytes { children in
                    var stored = sxp_node(node, permissions, children)
                    return withUnsafePointer(to: &stored) { stored in
                        handed.kind = SXP_STORED
                        handed.node = stored
                        return functions.change?(data, &handed)
                    }
                }
            }
            return try check(code, "store a node")
        case .removed(let path):
            handed.kind = SXP_REMOVED
            handed.setKey(path)
        case .removedSubtree(let path):
            handed.kind = SXP_REMOVED_SUBTREE
            handed.setKey(path)
        case .noted(let key, let value):
            handed.kind = SXP_NOTED
            handed.setKey(key)
            handed.value = value.baseAddress
            handed.value_length = value.count
        case .forgotten(let key):
            handed.kind = SXP_FORGOTTEN
            handed.setKey(key)
        }
        try check(functions.change?(data, &handed), "store a change")
    }
}

extension sxp_change {
    fileprivate mutating func setKey(_ bytes: UnsafeRawBufferPointer) {
        key = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        key_length = bytes.count
    }
}

extension sxp_node {
    fileprivate init(
        _ node: NodeRecord, _ permissions: UnsafeBufferPointer<sxp_permission>, _ children: UnsafeRawBufferPointer
    ) {
        self.init()
        size = UInt32(MemoryLayout<sxp_node>.size)
        path = node.path.baseAddress?.assumingMemoryBound(to: CChar.self)
        path_length = node.path.count
        value = node.value.baseAddress
        value_length = node.value.count
        self.permissions = permissions.baseAddress
        permission_count = permissions.count
        generation = node.generation
        self.children = children.baseAddress?.assumingMemoryBound(to: CChar.self)
        children_length = children.count
    }
}

/// The loader while a plugin hands over its content, and the first error.
private final class LoaderBox {
    let loader: any StateLoader
    private(set) var error: StorageError?

    init(_ loader: any StateLoader) { self.loader = loader }

    static func of(_ table: UnsafePointer<sxp_loader>?) -> LoaderBox? {
        table?.pointee.daemon.map { Unmanaged<LoaderBox>.fromOpaque($0).takeUnretainedValue() }
    }

    func add(_ node: UnsafePointer<sxp_node>?) -> Int32 {
        guard let node = node?.pointee, node.size == UInt32(MemoryLayout<sxp_node>.size) else { return EINVAL }
        let permissions = UnsafeBufferPointer(start: node.permissions, count: node.permission_count).map {
            Permission(
                Access(rawValue: $0.access & 3), DomainID($0.domain), isStale: $0.stale != 0)
        }
        do throws(StorageError) {
            try loader.add(
                NodeRecord(
                    path: UnsafeRawBufferPointer(start: node.path, count: node.path_length),
                    value: UnsafeRawBufferPointer(start: node.value, count: node.value_length),
                    permissions: permissions, generation: node.generation, children: []))
            return 0
        } catch {
            self.error = self.error ?? error
            return EINVAL
        }
    }
}
