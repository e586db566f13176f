// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Shows the tree below a node.
enum Ls: Mode {
    static let name: StaticString = "ls"
    static let usage: StaticString = "[-h] [-f] [-p] [-s] [path]"
    static let summary = "Prints the tree below a path, by default the whole tree."
    static let accepts: ExplainedOptions = [
        .flat: "print whole paths",
        .prefix: "print permissions",
        .json: "print one JSON object, nested by name; with -f by path",
    ]

    static func isUsable(_ operands: [Bytes]) -> Bool { true }

    static func run(_ tool: inout Tool) -> Int32 {
        let layout = LsLayout(flat: tool.has(.flat))
        for path in tool.operands.isEmpty ? ["/".wireBytes] : tool.operands {
            do throws(Failure) {
                if tool.has(.json) {
                    try showJSON(path, &tool)
                } else {
                    try showChildren(of: path, depth: 0, layout, &tool)
                }
            } catch {
                let text = "xs_directory (".utf8 + error.path + ")".utf8
                tool.messages.warn(Bytes(text), errno: error.errno)
                return 1
            }
        }
        return 0
    }

    private struct Failure: Error {
        var path: Bytes
        var errno: Int32
    }

    /// The children of a node. A node may vanish between the request for its parent's list and this one. Then it has no
    /// children; only at the top of the tree that is an error.
    private static func children(
        of path: Bytes, isTop: Bool, _ tool: borrowing Tool
    ) throws(Failure) -> [String] {
        do throws(XenStoreError) {
            return try tool.store.directory(path)
        } catch .wire(.ENOENT) where !isTop {
            return []
        } catch {
            throw Failure(path: path, errno: error.errno)
        }
    }

    private static func child(_ name: String, of path: Bytes) -> Bytes {
        (path == "/".wireBytes ? [] : path) + "/".utf8 + name.utf8
    }

    // MARK: Text

    private static func showChildren(
        of path: Bytes, depth: Int, _ layout: LsLayout, _ tool: inout Tool
    ) throws(Failure) {
        for name in try children(of: path, isTop: depth == 0, tool) {
            let path = child(name, of: path)
            let title = tool.has(.flat) ? path : name.wireBytes
            let value = try? tool.store.read(path)
            tool.output.write(
                layout.line(
                    title, depth: depth, value: value, withPermissions: tool.has(.prefix)))
            if tool.has(.prefix) { showPermissions(of: path, name, &tool) }
            tool.output.write("\n")
            tool.output.flushIfLarge()
            try showChildren(of: path, depth: depth + 1, layout, &tool)
        }
    }

    private static func showPermissions(of path: Bytes, _ name: String, _ tool: inout Tool) {
        do throws(XenStoreError) {
            let entries = try tool.store.perform(.getPermissionEntries(path))
            tool.output.write("  (".wireBytes + entries.joined(separator: ",".utf8) + ")".utf8)
        } catch {
            let text = "\ncould not access permissions for " + name
            tool.messages.warn(Bytes(text.utf8), errno: error.errno)
        }
    }

    // MARK: JSON

    private static func showJSON(_ path: Bytes, _ tool: inout Tool) throws(Failure) {
        let members = try jsonMembers(below: path, isTop: true, tool)
        tool.output.write(JSON.object(members) + "\n".utf8)
    }

    /// The nodes below `path` as members of one object: nested by their names or, with `-f`, side by
    /// side by their paths.
    private static func jsonMembers(
        below path: Bytes, isTop: Bool, _ tool: borrowing Tool
    ) throws(Failure) -> [(Bytes, Bytes)] {
        var members: [(Bytes, Bytes)] = []
        for name in try children(of: path, isTop: isTop, tool) {
            let path = child(name, of: path)
            let below = try jsonMembers(below: path, isTop: false, tool)
            var node = [("value".wireBytes, (try? tool.store.read(path)).map(JSON.value) ?? JSON.null)]
            if tool.has(.prefix) {
                let entries = try? tool.store.perform(.getPermissionEntries(path))
                let json = entries.map { JSON.array($0.map(JSON.string)) } ?? JSON.null
                node.append(("permissions".wireBytes, json))
            }
            if tool.has(.flat) {
                members.append((path, JSON.object(node)))
                members += below
            } else {
                if !below.isEmpty { node.append(("children".wireBytes, JSON.object(below))) }
                members.append((name.wireBytes, JSON.object(node)))
            }
        }
        return members
    }
}
