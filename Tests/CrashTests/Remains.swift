// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport

    /// Copies of what failures are about. They lie beside what was built, until that is removed.
    enum Remains {
        /// Keeps these folders, by the names of their copies, and a text. Returns where they are.
        static func keep(_ folders: [String: String], _ text: String, as name: String) throws -> String {
            let place = built("crash-test-failures")
            mkdir(place, 0o755)
            var template = Array("\(place)/\(name)-XXXXXX".utf8CString)
            guard let made = mkdtemp(&template) else { throw Trouble.system("make a folder in \(place)") }
            let path = String(cString: made)
            for (name, folder) in folders {
                let result = try run(["cp", "-a", folder, "\(path)/\(name)"])
                guard result.status == 0 else { throw Trouble("can't copy \(folder) to \(path): \(result.errors)") }
            }
            guard let file = fopen(path + "/failure", "w") else { throw Trouble.system("write \(path)/failure") }
            fputs(text, file)
            fclose(file)
            return path
        }
    }
#endif
