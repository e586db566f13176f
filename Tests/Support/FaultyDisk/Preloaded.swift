// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Libraries that the tests load below the daemon. They are made by the tests, once, of a folder of C files beside
/// this package's tests, and kept beside the other products.
public enum Preloaded {
    public static let compiler = "/usr/bin/cc"

    static func library(of folder: String, as name: String) throws -> String {
        let sources = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/" + folder
        let files = TemporaryFolder.names(in: sources).filter { $0.hasSuffix(".c") }.map { "\(sources)/\($0)" }
        let library = built(name)
        // Another run of the tests may be using the one that is there.
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
