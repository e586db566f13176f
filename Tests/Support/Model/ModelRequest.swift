// SPDX-License-Identifier: Apache-2.0

/// A request of a model's client. Paths are absolute.
public enum ModelRequest: Sendable, CustomStringConvertible {
    case write(String, [UInt8])
    case makeDirectory(String)
    case remove(String)
    case setPermissions(String, [String])
    case read(String)
    case directory(String)
    case getPermissions(String)
    /// `depth` is the number of levels below the path that count; nil for all.
    case watch(String, token: String, depth: Int? = nil)
    case unwatch(String, token: String)
    case resetWatches
    /// A watch whose events the model does not know, since other clients cause them.
    case listen(String, token: String, depth: Int?)
    /// Starts a transaction that touches only this subtree. Nothing else touches the subtree meanwhile.
    case start(String)
    case end(commits: Bool)
    case setQuota(UInt16, String, UInt32)
    case home(UInt16)
    /// READ of a node that other clients write. The value is always one repeated byte.
    case readUniform(String)

    public var op: Op {
        switch self {
        case .write: .write
        case .makeDirectory: .mkdir
        case .remove: .rm
        case .setPermissions: .setPerms
        case .read, .readUniform: .read
        case .directory: .directory
        case .getPermissions: .getPerms
        case .watch, .listen: .watch
        case .unwatch: .unwatch
        case .resetWatches: .resetWatches
        case .start: .transactionStart
        case .end: .transactionEnd
        case .setQuota: .setQuota
        case .home: .getDomainPath
        }
    }

    /// The payload of the request. `spell` turns a path into the client's form.
    public func payload(_ spell: (String) -> String) -> [UInt8] {
        func list(_ strings: [String]) -> [UInt8] { strings.flatMap { Array($0.utf8) + [0] } }
        return switch self {
        case .write(let path, let value): list([spell(path)]) + value
        case .makeDirectory(let path), .remove(let path), .read(let path), .directory(let path),
            .getPermissions(let path), .readUniform(let path):
            list([spell(path)])
        case .setPermissions(let path, let permissions): list([spell(path)] + permissions)
        case .unwatch(let path, let token): list([spell(path), token])
        case .watch(let path, let token, let depth), .listen(let path, let token, let depth):
            list([spell(path), token] + (depth.map { ["\($0)"] } ?? []))
        case .start, .resetWatches: [0]
        case .end(let commits): list([commits ? "T" : "F"])
        case .setQuota(let domain, let name, let limit): list(["\(domain)", name, "\(limit)"])
        case .home(let domain): list(["\(domain)"])
        }
    }

    public var description: String {
        let payload = payload { $0 }
        return "\(op) "
            + (payload.count > 80
                ? "\(printable(Array(payload.prefix(70)))) (\(payload.count) bytes)" : printable(payload))
    }
}
