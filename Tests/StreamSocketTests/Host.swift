// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Reactor
import Testing
import XenStoreKernel

@testable import StreamSocket

/// A kernel behind a socket in a folder of its own, turned by hand on the test's thread.
final class Host {
    let reactor: Reactor
    let kernel: Kernel
    let folder: Folder
    let listener: SocketListener

    init(mode: UInt32 = 0o600) throws {
        folder = try Folder()
        reactor = try Reactor()
        kernel = try Kernel(storage: Nothing(ConfigurationBlock([:])), policies: [], seed: 0) { _, _ in }
        listener = try SocketListener(
            SocketSettings(path: folder.path + "/socket", mode: mode),
            peer: Peer(domain: .control, isPrivileged: true, transport: "test"), on: reactor, kernel: kernel)
    }

    deinit { listener.stop() }

    /// Runs the loop until something is so; what never comes to be so is an issue of the test. Only a
    /// loop that sleeps shows by its turns whether it would spin.
    func run(sleeping: Bool = false, until isSo: () -> Bool, _ place: SourceLocation = #_sourceLocation) throws {
        let deadline = Reactor.now().advanced(byMilliseconds: 10_000)
        try reactor.run { [kernel, reactor] now in
            let wait = kernel.endTurn(at: now)
            if isSo() {
                reactor.stop()
            } else if now >= deadline {
                Issue.record("it didn't come to be so in time", sourceLocation: place)
                reactor.stop()
            }
            return wait == .none || !sleeping ? .none : .until(deadline)
        }
    }
}

/// A folder that goes with the test.
final class Folder {
    let path: String

    init() throws {
        var template = Array("/tmp/sxenstored-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError(errno, doing: "make a folder") }
        path = String(cString: made)
    }

    deinit {
        for name in ["socket", "file", "link"] { unlink(path + "/" + name) }
        rmdir(path + "/deeper/still")
        rmdir(path + "/deeper")
        rmdir(path)
    }
}

/// A client that sends READ of `/` and counts the replies.
final class RawClient {
    private let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var hasEnded = false

    static let request: [UInt8] = frame(2, "/\0".utf8)

    static func frame(_ type: UInt32, _ payload: some Collection<UInt8>, length: UInt32? = nil) -> [UInt8] {
        let words: [UInt32] = [type, 0, 0, length ?? UInt32(payload.count)]
        return words.withUnsafeBytes(Array.init) + payload
    }

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec, 0)
        guard try UnixAddress(path).connect(descriptor) == 0 else { throw SystemError(errno, doing: "connect") }
    }

    deinit { close(descriptor) }

    /// How much the socket took.
    @discardableResult func send(_ bytes: some Collection<UInt8>) -> Int {
        let bytes = Array(bytes)
        return Glibc.send(descriptor, bytes, bytes.count, linux_msg_nosignal | linux_msg_dontwait)
    }

    func shutDown(_ how: Int) { shutdown(descriptor, Int32(how)) }

    /// Takes what is there, and whether the daemon has closed.
    func receive() {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, linux_msg_dontwait)
            if count == 0 || (count < 0 && errno == ECONNRESET) { hasEnded = true }
            guard count > 0 else { return }
            received += buffer[..<count]
        }
    }

    /// Receives until the connection has ended, or for ten seconds. It may take a moment: a process that
    /// another test has just forked has a copy of every descriptor until it executes its program.
    func receiveToTheEnd() {
        while !hasEnded {
            var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&one, 1, 10_000) > 0 else { return }
            receive()
        }
    }

    /// Whole replies among what was received.
    var replies: Int {
        var at = 0
        var count = 0
        while received.count - at >= 16 {
            let length = received[at + 12..<at + 16].reversed().reduce(0) { $0 << 8 | Int($1) }
            guard received.count - at - 16 >= length else { break }
            at += 16 + length
            count += 1
        }
        return count
    }
}

private final class Nothing: Storage {
    static let name = "nothing"
    static let summary = "Keeps nothing."
    static let keys: [ConfigurationKey] = []
    init(_ configuration: ConfigurationBlock) {}
    let wantsBatches = false
    func load(into loader: StateLoader) {}
    func commit(_ batch: borrowing ChangeBatch) {}
    func close() {}
}
