// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A folder for the files that a plugin makes while it is tried.
struct TrialFolder {
    let path: String

    init() throws(SystemError) {
        // mkdtemp replaces the last six letters.
        var template = Array("/tmp/sxenstored-trial-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError(errno, doing: "make a folder in /tmp") }
        path = String(cString: made)
    }

    /// The names of the sockets in it.
    var sockets: [String] {
        names.filter { name in
            var status = stat()
            return stat("\(path)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
        }
    }

    func remove() {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    private var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }
}
