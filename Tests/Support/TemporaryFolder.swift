// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A folder that ends with this object.
public final class TemporaryFolder {
    public let path: String

    public convenience init() throws { try self.init(in: "/tmp") }

    private init(in place: String) throws {
        var template = Array("\(place)/sxenstored-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Trouble.system("make a folder in \(place)") }
        path = String(cString: made)
    }

    /// A folder on a file system in memory, if the machine has one.
    public static func inMemory() throws -> TemporaryFolder {
        try TemporaryFolder(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
    }

    /// A folder that only this user can write, as are all folders above it.
    public static func trusted() throws -> TemporaryFolder {
        try TemporaryFolder(in: geteuid() == 0 ? "/run" : getenv("HOME").map { String(cString: $0) } ?? "/nowhere")
    }

    deinit { TemporaryFolder.remove(path) }

    public func file(_ name: String) -> String { path + "/" + name }

    public func write(_ text: String, to name: String) throws {
        guard let file = fopen(file(name), "w") else { throw Trouble.system("write \(name)") }
        fputs(text, file)
        fclose(file)
    }

    /// The text of a file; empty if there is none.
    public func text(of name: String) -> String { TemporaryFolder.text(of: file(name)) }

    public static func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&block, 1, block.count, file), count > 0 { bytes += block[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The names in a folder, except `.` and `..`.
    public static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ path: String) {
        for name in names(in: path) where unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
        rmdir(path)
    }
}
