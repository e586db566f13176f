// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Copies of the files of failed tests. They stay in the build folder until that is removed.
public enum Remains {
    /// Keeps these folders and a text. The keys are the names of the copies. Returns the place.
    public static func keep(_ folders: [String: String], _ text: String, as name: String) throws -> String {
        let path = try place(name)
        for (name, folder) in folders {
            let result = try run(["cp", "-a", folder, "\(path)/\(name)"])
            guard result.status == 0 else { throw Trouble("can't copy \(folder) to \(path): \(result.errors)") }
        }
        try write(Array(text.utf8), path + "/failure")
        return path
    }

    /// Keeps these files and a text. The keys are the names of the files. Returns the place.
    public static func keep(files: [String: [UInt8]], _ text: String, as name: String) throws -> String {
        let path = try place(name)
        for (name, bytes) in files { try write(bytes, "\(path)/\(name)") }
        try write(Array(text.utf8), path + "/failure")
        return path
    }

    private static func place(_ name: String) throws -> String {
        let folder = built("test-failures")
        mkdir(folder, 0o755)
        var template = Array("\(folder)/\(name)-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Trouble.system("make a folder in \(folder)") }
        return String(cString: made)
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws {
        guard let file = fopen(path, "w") else { throw Trouble.system("write \(path)") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Trouble.system("write \(path)") }
    }
}
