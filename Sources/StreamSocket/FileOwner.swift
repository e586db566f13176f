// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The user and the group that will own a file. The configuration gives their names or numbers.
struct FileOwner {
    private var user: uid_t?
    private var group: gid_t?

    init(user: String?, group: String?) throws(SystemError) {
        if let user { self.user = try Self.user(user) }
        if let group { self.group = try Self.group(group) }
    }

    /// Gives the file to them. Does not follow a link.
    func take(_ path: String) throws(SystemError) {
        guard user != nil || group != nil else { return }
        guard lchown(path, user ?? .max, group ?? .max) == 0 else {
            throw SystemError(errno, doing: "change the owner of '\(path)'", advice: "only root may give files away")
        }
    }

    private static func user(_ name: String) throws(SystemError) -> uid_t {
        // The largest number means "do not change".
        if let number = uid_t(name), number != .max { return number }
        guard let entry = getpwnam(name) else {
            throw SystemError(
                ENOENT, doing: "look up the user '\(name)'", advice: "there is no such user; correct 'owner'")
        }
        return entry.pointee.pw_uid
    }

    private static func group(_ name: String) throws(SystemError) -> gid_t {
        if let number = gid_t(name), number != .max { return number }
        guard let entry = getgrnam(name) else {
            throw SystemError(
                ENOENT, doing: "look up the group '\(name)'", advice: "there is no such group; correct 'group'")
        }
        return entry.pointee.gr_gid
    }
}
