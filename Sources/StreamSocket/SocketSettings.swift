// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// What the operator decides about a listening socket, and the keys it is decided with.
public struct SocketSettings: Sendable {
    public var path: String
    /// Permission bits of the socket's file. A process that may write to the file may connect.
    public var mode: UInt32
    /// User and group of the file, by name or number; nil for those that the daemon runs as.
    public var owner: String?
    public var group: String?
    /// Connections that may wait to be accepted.
    public var backlog: Int32
    /// Clients at a time; 0 for as many as there are file descriptors for.
    public var connections: Int

    public init(
        path: String, mode: UInt32 = 0o600, owner: String? = nil, group: String? = nil, backlog: Int32 = 128,
        connections: Int = 0
    ) {
        self.path = path
        self.mode = mode
        self.owner = owner
        self.group = group
        self.backlog = backlog
        self.connections = connections
    }

    /// Reads a plugin's block, which was checked against ``keys(path:mode:connections:)``.
    public init(_ block: ConfigurationBlock) throws(ConfigurationError) {
        guard let path = block.text("path") else { throw block.error("is missing", key: "path") }
        let bytes = path.utf8.count
        guard bytes <= UnixAddress.pathMaxBytes else {
            throw block.error(
                "has \(bytes) bytes; the path of a socket has \(UnixAddress.pathMaxBytes) at most", key: "path")
        }
        self.init(
            path: path, mode: UInt32(clamping: block.number("mode") ?? 0o600),
            owner: block.text("owner"), group: block.text("group"),
            backlog: Int32(clamping: block.number("backlog") ?? 128), connections: block.number("connections") ?? 0)
    }

    /// The keys of a socket transport.
    public static func keys(path: String, mode: Int, connections: Int) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "path", .path, default: .text(path),
                "The socket's file. What a dead daemon has left there is removed; missing folders are made."),
            ConfigurationKey("mode", .mode, default: .number(mode), "Permission bits of the file: who may connect."),
            ConfigurationKey(
                "owner", .text, default: nil,
                "User the file belongs to, by name or number; if not given, the daemon's own."),
            ConfigurationKey(
                "group", .text, default: nil,
                "Group the file belongs to, by name or number; if not given, the daemon's own."),
            ConfigurationKey(
                "backlog", .number(1...65535), default: .number(128),
                "Connections that may wait to be accepted; the system's own limit is net.core.somaxconn."),
            ConfigurationKey(
                "connections", .number(0...1_000_000), default: .number(connections),
                "Clients at a time; more are turned away. 0: as many as there are file descriptors for."),
        ]
    }
}
