// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A client over a wire that the kit does not know: a command, whose standard input and output are the connection.
public final class CommandClient: WireClient {
    private let stream: DescriptorClient
    private var process: pid_t = 0

    /// Starts a command of the shell, such as `socat - TCP:localhost:7000`.
    public init(_ command: String) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, linux_sock_stream | linux_sock_cloexec, 0, &ends) == 0 else {
            throw SystemError(errno, doing: "make a pair of sockets")
        }
        defer { close(ends[1]) }
        stream = try DescriptorClient(ends[0])
        process = try Self.start(command, on: ends[1])
    }

    deinit { hangUp() }

    /// The command has a process group of its own, with all that it starts.
    private static func start(_ command: String, on descriptor: Int32) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDOUT_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let arguments: [String] = ["/bin/sh", "-c", command]
        let words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, words, environ)
        if code != 0 { throw SystemError(code, doing: "run '\(command)'") }
        return process
    }

    public func send(_ bytes: ArraySlice<UInt8>) -> Int { stream.send(bytes) }
    public func receive() -> [UInt8]? { stream.receive() }

    /// Commands differ in what they do at the end of their input.
    public func finishSending() -> Bool { false }

    public func hangUp() {
        stream.hangUp()
        if process == 0 { return }
        kill(-process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
        process = 0
    }
}
