// SPDX-License-Identifier: Apache-2.0
import Foundation
import XenStoreClient

/// A daemon of a test's own, in a folder of its own; it ends with the last reference to it.
///
/// It is the `sxenstored` that was built beside the tests, or what `$TOOLS_TEST_DAEMON` says: a shell
/// command that runs a daemon in the foreground with its socket in `$XENSTORED_RUNDIR`.
public final class LiveDaemon: Sendable {
    /// What `$XENSTORED_RUNDIR` is to be for clients.
    public let folder: String
    private let process: Child

    public var endpoint: Endpoint { Endpoint(path: folder + "/socket") }

    public struct NotServing: Error, CustomStringConvertible {
        public var description: String
    }

    private static let patience = Duration.seconds(10)

    public static func start() throws -> LiveDaemon {
        let daemon = try LiveDaemon()
        try daemon.waitUntilServing()
        return daemon
    }

    private init() throws {
        folder = try temporaryFolder()
        let errors = open(folder + "/stderr", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(errors) }
        process = try Child(
            ["/bin/sh", "-c", Self.command],
            environment: ["XENSTORED_RUNDIR": folder, "XENSTORED_PATH": nil], errors: errors)
    }

    deinit {
        process.kill()
        process.wait()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static var command: String {
        ProcessInfo.processInfo.environment["TOOLS_TEST_DAEMON"]
            ?? "exec '\(builtProducts)/sxenstored' -N"
    }

    /// Until it answers, that is: that there is a socket does not mean that somebody listens.
    private func waitUntilServing() throws {
        let deadline = ContinuousClock.now + Self.patience
        while (try? XenStoreConnection(to: endpoint).read("/")) == nil {
            guard process.isRunning, ContinuousClock.now < deadline else {
                let log = try? String(contentsOfFile: folder + "/stderr", encoding: .utf8)
                throw NotServing(description: "the daemon does not serve: \(log ?? "")")
            }
            poll(nil, 0, 1)
        }
    }
}

/// The folder that the build puts programs and tests in.
public let builtProducts: String = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: program).deletingLastPathComponent().path
}()

/// A new folder with a short name, as the path of a socket must be.
public func temporaryFolder() throws -> String {
    var template = Array("/tmp/xs.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
