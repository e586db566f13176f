// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An open socket or device of a daemon. Only this type makes system calls on it.
final class Channel: Sendable {
    let descriptor: Int32
    let path: String
    /// Whether it is a socket. A socket needs MSG_NOSIGNAL, and a device has no `send`.
    private let isSocket: Bool

    /// How long to wait for a full backlog. Xen's own daemons listen with a backlog of 1, so a short wait is normal. A
    /// daemon that never accepts is an error.
    private static let backlogPatienceSeconds = 5

    init(adopting descriptor: Int32, path: String, isSocket: Bool = true) {
        self.descriptor = descriptor
        self.path = path
        self.isSocket = isSocket
    }

    deinit { Glibc.close(descriptor) }

    /// Opens the first path of the endpoint that works.
    static func open(_ endpoint: Endpoint) throws(XenStoreError) -> Channel {
        var attempts: [ConnectionFailure.Attempt] = []
        for path in endpoint.candidates {
            do throws(Errno) {
                return try open(path: path)
            } catch {
                attempts.append(.init(path: path, errno: error.number))
            }
        }
        throw .connection(ConnectionFailure(attempts: attempts, wasOpen: false))
    }

    private static func open(path: String) throws(Errno) -> Channel {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Errno.current }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return try connect(path: path)
        case S_IFCHR:
            let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { throw Errno.current }
            return Channel(adopting: descriptor, path: path, isSocket: false)
        case S_IFDIR: throw Errno(number: EISDIR)
        default: throw Errno(number: ENOTSOCK)
        }
    }

    private static func connect(path: String) throws(Errno) -> Channel {
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { throw Errno(number: ENAMETOOLONG) }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Errno.current }
        let channel = Channel(adopting: descriptor, path: path)
        channel.setSendTimeout(seconds: backlogPatienceSeconds)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                retryingInterrupts { Int(Glibc.connect(descriptor, address, size)) }
            }
        }
        guard result == 0 else { throw Errno.current }
        channel.setSendTimeout(seconds: 0)
        return channel
    }

    /// On a unix socket the send timeout also bounds how long `connect` waits for the backlog.
    private func setSendTimeout(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    func setNonBlocking() {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// Shuts the connection down in both directions. This wakes every thread that waits for it.
    func hangUp() { if isSocket { shutdown(descriptor, Int32(SHUT_RDWR)) } }

    /// Sends as much of `bytes[start...]` as possible, and returns the number of bytes.
    func send(_ bytes: [UInt8], from start: Int) throws(Errno) -> Int {
        let sent = bytes.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            return Channel.retryingInterrupts {
                isSocket
                    ? Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                    : Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
        }
        guard sent >= 0 else { throw Errno.current }
        return sent
    }

    /// Receives at least one byte to `bytes[range]`, and returns the number; 0 means that the daemon has closed the
    /// connection.
    func receive(into bytes: inout [UInt8], _ range: Range<Int>) throws(Errno) -> Int {
        let received = bytes.withUnsafeMutableBytes { bytes in
            let room = UnsafeMutableRawBufferPointer(rebasing: bytes[range])
            return Channel.retryingInterrupts { Glibc.read(descriptor, room.baseAddress, room.count) }
        }
        guard received >= 0 else { throw Errno.current }
        return received
    }

    func lost(_ errno: Int32) -> XenStoreError {
        .connection(ConnectionFailure(attempts: [.init(path: path, errno: errno)], wasOpen: true))
    }

    private static func retryingInterrupts(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 || Glibc.errno != EINTR { return result }
        }
    }
}

/// A failed system call, on its way to becoming a ``XenStoreError``.
struct Errno: Error {
    var number: Int32
    static var current: Errno { Errno(number: errno) }

    /// Whether the call only would have blocked. That is not a failure.
    var isWouldBlock: Bool { number == EAGAIN || number == EWOULDBLOCK }
}
