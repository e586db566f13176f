// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Libraries that the tests preload into the daemon. The tests build each one once, from a folder of C files, and keep
/// it beside the other products.
public enum Preloaded {
    public static let compiler = "/usr/bin/cc"

    static func library(of folder: String, as name: String) throws -> String {
        let sources = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/" + folder
        let files = TemporaryFolder.names(in: sources).filter { $0.hasSuffix(".c") }.map { "\(sources)/\($0)" }
        let library = built(name)
        // Another run of the tests may use the existing library.
        let fresh = "\(library).\(getpid())"
        let result = try run(
            [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o", fresh]
                + files)
        guard result.status == 0, rename(fresh, library) == 0 else {
            throw Trouble("\(folder) does not compile: \(result.errors)")
        }
        return library
    }
}
