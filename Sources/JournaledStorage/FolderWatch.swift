// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Threads

/// Calls a function when names in a folder change. It has a thread of its own, which costs nothing while nothing
/// happens. It does not see writes to a file that stays open.
final class FolderWatch {
    private let inotify: Int32
    /// A write to it ends the thread.
    private let bell: Int32
    private let thread: pthread_t
    private let watch: Watch

    /// The events that another program can cause: a file appears, disappears, or is written.
    private static let interest = UInt32(
        IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR)
    /// The folder itself has changed, or events were lost.
    private static let all = UInt32(IN_IGNORED | IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)

    /// Calls `changed` on the thread after each change. Nil if the system has no watches left.
    init?(_ folder: String, _ names: Set<String>, _ changed: @escaping @Sendable () -> Void) {
        let inotify = inotify_init1(Int32(linux_in_nonblock | linux_in_cloexec))
        let bell = eventfd(0, linux_efd_cloexec)
        let watch = Watch(inotify: inotify, bell: bell, names: names, changed: changed)
        guard inotify >= 0, bell >= 0, inotify_add_watch(inotify, folder, Self.interest) >= 0,
            let thread = Thread.start({ watch.run() })
        else {
            if inotify >= 0 { close(inotify) }
            if bell >= 0 { close(bell) }
            return nil
        }
        (self.inotify, self.bell, self.thread, self.watch) = (inotify, bell, thread, watch)
    }

    deinit {
        eventfd_write(bell, 1)
        pthread_join(thread, nil)
        close(inotify)
        close(bell)
    }

    /// Whether something has happened since ``forgetNews()``.
    var hasNews: Bool { watch.hasNews.load(ordering: .sequentiallyConsistent) }

    /// Forgets all changes until now. Call this before a look at the files.
    func forgetNews() { watch.hasNews.store(false, ordering: .sequentiallyConsistent) }

    private final class Watch: Sendable {
        let inotify: Int32
        let bell: Int32
        let names: Set<String>
        let changed: @Sendable () -> Void
        let hasNews = Atomic(false)

        init(inotify: Int32, bell: Int32, names: Set<String>, changed: @escaping @Sendable () -> Void) {
            (self.inotify, self.bell, self.names, self.changed) = (inotify, bell, names, changed)
        }

        func run() {
            var events = [UInt8](repeating: 0, count: 4096)
            while true {
                var ready = [inotify, bell].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                if poll(&ready, 2, -1) < 0, errno != EINTR { return }
                if ready[1].revents != 0 { return }
                let count = read(inotify, &events, events.count)
                if count > 0, events[..<count].withUnsafeBytes(isOurs) {
                    hasNews.store(true, ordering: .sequentiallyConsistent)
                    changed()
                }
            }
        }

        /// Whether one of the events is about one of the names.
        private func isOurs(_ events: UnsafeRawBufferPointer) -> Bool {
            let headerSize = 16
            var offset = 0
            while offset + headerSize <= events.count {
                let mask: UInt32 = events.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let start = offset + headerSize
                let end = start + Int(events.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                let name = events[start..<min(end, events.count)].prefix { $0 != 0 }
                if mask & FolderWatch.all != 0 || names.contains(String(decoding: name, as: UTF8.self)) {
                    return true
                }
                offset = end
            }
            return false
        }
    }
}
