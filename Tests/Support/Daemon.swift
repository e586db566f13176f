// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The built daemon in a folder of its own. It has its embedded default configuration, unless the test says otherwise.
/// It ends with this object.
public final class Daemon {
    public let folder: TemporaryFolder
    public let process: ChildProcess
    private let runFolder: String
    private let manager: NotifySocket
    private var serves = false

    /// Starts the daemon, and returns when it serves. Its output goes to `log` in the folder, or to the given file.
    public convenience init(
        _ options: [String] = [], environment: [String: String] = [:], errors: String? = nil,
        in folder: TemporaryFolder? = nil
    ) throws {
        try self.init(starting: [Daemon.binary, "-N"] + options, environment, errors: errors, in: folder)
        try awaitReady()
    }

    /// Starts a command that is or becomes the daemon, and does not wait for it. The run folder is `runFolder` in
    /// the folder, or else the folder itself.
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

    /// Ends the daemon before the folder is removed. A live daemon would make its socket and its journals again.
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

    /// The tested daemon: the one that $DAEMON names, such as a release, or the one beside the tests.
    public static let binary = getenv("DAEMON").map { String(cString: $0) } ?? built("sxenstored")

    /// The socket for the toolstack's clients.
    public var socket: String { runFolder + "/socket" }

    /// Connects a client of the toolstack.
    public func connect() throws -> RawClient { try RawClient(socket) }

    /// Connects a client that may only read.
    public func connectReadOnly() throws -> RawClient { try RawClient(socket + "_ro") }

    /// The daemon's output until now. It has every line from before the daemon served or ended. Other lines come a
    /// little later; ``waitForLog(_:_:)`` waits for them.
    public var log: String { folder.text(of: "log") }

    /// Waits until the log contains this text. The daemon writes the log when it has time.
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

    /// The processor time of the daemon, in nanoseconds.
    public var processorTime: Int {
        get throws {
            let words = TemporaryFolder.text(of: "/proc/\(process.pid)/schedstat").split(separator: " ")
            guard let time = words.first.flatMap({ Int($0) }) else { throw Trouble("the daemon is gone: \(log)") }
            return time
        }
    }

    /// The number of files and sockets that the daemon has open.
    public var openDescriptors: Int { descriptorNumbers.count }

    /// The numbers of all open descriptors of the daemon.
    public var descriptorNumbers: [Int] { TemporaryFolder.names(in: "/proc/\(process.pid)/fd").compactMap { Int($0) } }

    /// Ends the daemon as a service manager does, and returns its exit status.
    public func stop() throws -> Int32 {
        process.send(SIGTERM)
        return try process.wait()
    }
}

/// A program of this package. It is beside the tests.
public func built(_ name: String) -> String {
    var path = [CChar](repeating: 0, count: 4096)
    let length = max(0, readlink("/proc/self/exe", &path, path.count))
    let tests = String(decoding: path[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return tests.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/" + name
}
