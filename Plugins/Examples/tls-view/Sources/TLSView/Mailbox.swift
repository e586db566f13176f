// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import Synchronization
import XenStorePlugin

/// What NIO's thread has to say to the daemon's thread.
enum Letter: Sendable {
    /// The client has shown a good certificate.
    case opened(Wire)
    /// The client has sent these bytes. The wire reads no more before it is asked to.
    case received(ByteBuffer, Wire)
    /// The system has taken this number of bytes for the client.
    case sent(Int, Wire)
    /// The client is gone.
    case closed(Wire)
}

/// The only way from NIO's thread to the daemon's: a locked list, and a descriptor that the daemon's event loop watches.
///
/// The list is bounded, since each client is: it has at most one letter with received bytes, and at most one with sent
/// bytes for each write on its way.
final class Mailbox: Sendable {
    /// Readable while there are letters.
    let descriptor: Int32
    private let bell: Int32
    private let letters = Mutex<[Letter]>([])

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        if pipe(&ends) != 0 { throw SystemError(errno, doing: "make a pipe") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (descriptor, bell) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(bell)
    }

    /// Puts a letter in. From any thread.
    func put(_ letter: Letter) {
        let isFirst = letters.withLock { letters in
            letters.append(letter)
            return letters.count == 1
        }
        // A byte for each time that the list was empty. The pipe cannot be full of those.
        if isFirst { write(bell, "!", 1) }
    }

    /// Takes all letters out, in their order.
    func empty() -> [Letter] {
        var bytes = [UInt8](repeating: 0, count: 16)
        read(descriptor, &bytes, bytes.count)
        return letters.withLock { letters in
            defer { letters = [] }
            return letters
        }
    }
}
