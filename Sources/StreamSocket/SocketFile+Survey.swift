// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

extension SocketSettings {
    /// Checks the place of the socket, for a transport that is `Surveying`.
    public func survey(
        of block: ConfigurationBlock, _ warn: (ConfigurationError) -> Void
    ) throws(ConfigurationError) {
        for (key, name) in [("owner", owner), ("group", group)] {
            guard let name else { continue }
            do throws(SystemError) {
                _ = try key == "owner" ? FileOwner(user: name, group: nil) : FileOwner(user: nil, group: name)
            } catch {
                throw block.error("there is no \(key == "owner" ? "user" : "group") '\(name)'", key: key)
            }
            if geteuid() != 0 { warn(block.error("only root may give files away", key: key)) }
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFSOCK else { return }
        throw block.error("'\(path)' is not a socket, and stays; remove it or choose another path", key: "path")
    }
}
