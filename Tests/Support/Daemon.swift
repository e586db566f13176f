// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The built daemon, with its embedded default configuration unless told otherwise, in a folder of its own. It is
/// killed when the last who holds it lets go.
public final class Daemon {
    public let folder: TemporaryFolder
    public let process: ChildProcess
    private let runFolder: String
    private let manager: NotifySocket
    private var serves = false

    /// Returns when the daemon serves. What it says goes to `log` in the folder, or to the file that is given.
    public convenience init(
        _ options: [String] = [], environment: [String: String] = [:], errors: String? = nil,
        in folder: TemporaryFolder? = nil
    ) throws {
        try self.init(starting: [Daemon.binary, "-N"] + options, environment, errors: errors, in: folder)
        try awaitReady()
    }

    /// Starts a command that is or becomes the daemon, and does not wait for it. Its run folder is one below the
    /// folder, if that is named.
    public init(
        starting command: [String], _ environment: [String: String] = [:], errors: String? = nil,
        in folder: TemporaryFolder? = nil, runFolder: String? = nil
    ) throws {
        let folder = try folder ?? TemporaryFolder()
        self.folder = folder
        self.runFolder = runFolder.map(folder.file) ?? folder.path
        manager = try NotifySocket()
        let own = ["XENSTORED_RUNDIR": self.runFolder, "NOTIFY_SOCKET": manager.name]
        process = try ChildProcess(
            command, environment: environment.merging(own) { $1 }, output: errors ?? folder.file("log"),
            errors: errors ?? folder.file("log"))
    }

    /// Before the folder is removed: a daemon that lives makes its socket and its journals again where they are missing.
    deinit {
        process.send(SIGKILL)
        _ = try? process.wait()
    }

    /// Waits until the daemon serves.
    public func awaitReady() throws {
        if serves { return }
        let ready = try waitUntilReady(
            [(manager.descriptor, POLLIN), (process.lifeline, POLLIN)], Deadline(in: .seconds(30)))
        guard ready.contains(manager.descriptor), manager.received() == "READY=1" else {
            throw Trouble("the daemon does not serve: \(log.suffix(2000))")
        }
        serves = true
    }

    /// The daemon that is tested: what $DAEMON names, such as a release, or the one beside the tests.
    public static let binary = getenv("DAEMON").map { String(cString: $0) } ?? built("sxenstored")

    /// Where clients of the toolstack connect.
    public var socket: String { runFolder + "/socket" }

    /// A client of the toolstack.
    public func connect() throws -> RawClient { try RawClient(socket) }

    /// A client that may only look.
    public func connectReadOnly() throws -> RawClient { try RawClient(socket + "_ro") }

    /// What has been written so far of what the daemon has said: all that it said before it served, or before it
    /// ended. What it says in between is written a little later; ``waitForLog(_:_:)`` waits for it.
    public var log: String { folder.text(of: "log") }

    /// Waits until the log has this text, which the daemon writes when it has time.
    public func waitForLog(_ text: String, _ deadline: Deadline = Deadline()) throws {
        try waitForFile(folder.file("log"), deadline) { $0.contains(text) }
    }

    /// Resident memory in kibibytes.
    public var residentMemory: Int {
        get throws {
            let lines = TemporaryFolder.text(of: "/proc/\(process.pid)/status").split(separator: "\n")
            guard let line = lines.first(where: { $0.hasPrefix("VmRSS:") }),
                let number = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
            else { throw Trouble("the daemon is gone: \(log)") }
            return number
        }
    }

    /// Processor time that the daemon has used, in nanoseconds.
    public var processorTime: Int {
        get throws {
            let words = TemporaryFolder.text(of: "/proc/\(process.pid)/schedstat").split(separator: " ")
            guard let time = words.first.flatMap({ Int($0) }) else { throw Trouble("the daemon is gone: \(log)") }
            return time
        }
    }

    /// How many files and sockets the daemon has open.
    public var openDescriptors: Int { descriptorNumbers.count }

    /// The numbers of all that the daemon has open.
    public var descriptorNumbers: [Int] { TemporaryFolder.names(in: "/proc/\(process.pid)/fd").compactMap { Int($0) } }

    /// Ends the daemon as a service manager does, and returns its exit status.
    public func stop() throws -> Int32 {
        process.send(SIGTERM)
        return try process.wait()
    }
}

/// A program of this package: it lies beside the tests.
public func built(_ name: String) -> String {
    var path = [CChar](repeating: 0, count: 4096)
    let length = max(0, readlink("/proc/self/exe", &path, path.count))
    let tests = String(decoding: path[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return tests.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/" + name
}
