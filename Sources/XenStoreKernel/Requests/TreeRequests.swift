// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The operations on a tree: the store, or a transaction's draft of it.
final class TreeRequests {
    let reading: Reading
    let writing: Writing

    init(reading: Reading, writing: Writing) {
        self.reading = reading
        self.writing = writing
    }

    func perform<T: Tree>(_ request: inout RequestContext, on tree: T) throws(WireError) -> Answer {
        switch request.operation {
        case .read: try reading.read(request.payload, of: request.session, tree)
        case .directory: try reading.directory(request, tree)
        case .directoryPart: try reading.directoryPart(request, tree)
        case .getPermissions: try reading.getPermissions(request, tree)
        case .write: try writing.write(request.payload, of: request.session, tree, &request.cause)
        case .makeDirectory: try writing.makeDirectory(&request, tree)
        case .remove: try writing.remove(&request, tree)
        case .setPermissions: try writing.setPermissions(&request, tree)
        default: throw .ENOSYS
        }
    }
}

extension Operation {
    /// Whether the operation reads nodes.
    var readsTree: Bool {
        switch self {
        case .read, .directory, .directoryPart, .getPermissions: true
        default: false
        }
    }

    /// Whether the operation reads or changes nodes.
    var isOfTree: Bool { readsTree || changesTree }
}
