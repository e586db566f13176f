// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport

/// Makes shared objects of C, in a folder that a daemon trusts, and runs daemons with them.
final class Workshop {
    /// The folder of the plugins.
    let folder: TemporaryFolder
    /// The folder of daemons.
    let place: TemporaryFolder

    init() throws {
        folder = try .trusted()
        place = try TemporaryFolder()
    }

    /// The folder of this tree.
    static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
    private static let header = "\(root)/Sources/CPlugin/include"

    /// Compiles one of the plugins beside these tests, with these macros. Returns the shared object.
    @discardableResult
    func make(_ source: String, _ macros: [String] = [], linking: [String] = [], as name: String? = nil) throws
        -> String
    {
        let file = folder.file(name ?? "\(source).so")
        let result = try run(
            [
                Preloaded.compiler, "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-shared", "-fPIC",
                "-I", Self.header,
            ] + macros.map { "-D\($0)" } + linking
                + ["-o", file, "\(Self.root)/Tests/SharedObjectsTests/Plugins/\(source).c"])
        guard result.status == 0 else { throw Trouble("\(source).c does not compile: \(result.errors)") }
        chmod(file, 0o644)
        return file
    }

    /// Writes a configuration with these plugins, and returns its path.
    func configure(
        _ files: [String], transports: String = "unix-socket", storage: String = "memory",
        policies: String = "permissions, quotas"
    ) throws -> String {
        try place.write(
            "plugins: [\(files.joined(separator: ", "))]\ntransports: [\(transports)]\n"
                + "storage: \(storage)\npolicies: [\(policies)]\n", to: "c.yaml")
        return place.file("c.yaml")
    }

    func start(_ configuration: String) throws -> Daemon {
        let daemon = try Daemon(starting: [Daemon.binary, "-N", "--config", configuration], in: place)
        try daemon.awaitReady()
        return daemon
    }

    /// What the daemon says to these arguments, without being started.
    func ask(_ arguments: String...) throws -> Outcome {
        try run([Daemon.binary] + arguments, environment: ["XENSTORED_RUNDIR": place.path])
    }
}
