// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The operator's settings for a listening socket, and their keys.
public struct SocketSettings: Sendable {
    public var path: String
    /// Permission bits of the socket's file. A process that may write to the file may connect.
    public var mode: UInt32
    /// User and group of the file, by name or number; nil for those of the daemon.
    public var owner: String?
    public var group: String?
    /// The largest number of connections that wait until the daemon accepts them.
    public var backlog: Int32
    /// The largest number of clients; 0 for as many as the file descriptors allow.
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
                "has \(bytes) bytes; the path of a socket has at most \(UnixAddress.pathMaxBytes)", key: "path")
        }
        self.init(
            path: path, mode: UInt32(clamping: block.number("mode") ?? 0o600),
            owner: block.text("owner"), group: block.text("group"),
            backlog: Int32(clamping: block.number("backlog") ?? 128), connections: block.number("connections") ?? 0)
    }

    /// The keys of a transport with a unix socket.
    public static func keys(path: String, mode: Int, connections: Int) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "path", .path, default: .text(path),
                "The socket's file. The daemon removes a dead daemon's socket there, and makes missing folders."),
            ConfigurationKey("mode", .mode, default: .number(mode), "Permission bits of the file: who can connect."),
            ConfigurationKey(
                "owner", .text, default: nil,
                "User of the file, by name or number; by default that of the daemon."),
            ConfigurationKey(
                "group", .text, default: nil,
                "Group of the file, by name or number; by default that of the daemon."),
            ConfigurationKey(
                "backlog", .number(1...65535), default: .number(128),
                "Connections that may wait until the daemon accepts them. The system's limit: net.core.somaxconn."),
            ConfigurationKey(
                "connections", .number(0...1_000_000), default: .number(connections),
                "Clients at a time; the daemon turns more away. 0 means as many as the file descriptors allow."),
        ]
    }
}
