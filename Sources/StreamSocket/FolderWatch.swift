// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// Calls a function when a file, or its folder, may be gone.
final class FolderWatch: ReadinessHandler {
    private let folder: String
    private let name: [UInt8]
    private let loop: any EventLoop
    private let descriptor: Int32
    private let action: () -> Void

    private static let events = UInt32(
        IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

    /// Nil if the system has no watches left. It limits them for each user.
    init?(_ path: String, on loop: any EventLoop, _ action: @escaping () -> Void) {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        folder = slash == path.startIndex ? "/" : String(path[..<slash])
        name = Array(path[path.index(after: slash)...].utf8)
        self.loop = loop
        self.action = action
        descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        guard aim(), (try? loop.add(descriptor, for: .readable, self)) != nil else {
            close(descriptor)
            return nil
        }
    }

    /// Watches the folder that has the path now. To watch a folder twice has no effect.
    @discardableResult
    func aim() -> Bool { inotify_add_watch(descriptor, folder, Self.events) >= 0 }

    func stop() {
        loop.remove(descriptor)
        close(descriptor)
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        var concernsUs = false
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while case let count = read(descriptor, buffer.baseAddress, buffer.count), count > 0 {
                concernsUs = concernsUs || self.concernsUs(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        if concernsUs { action() }
    }

    /// Whether one of the events is about the file or the folder. Other files in the folder do not matter.
    private func concernsUs(_ events: UnsafeRawBufferPointer) -> Bool {
        var rest = events[...]
        let headerSize = MemoryLayout<inotify_event>.size
        while rest.count >= headerSize {
            let header = UnsafeRawBufferPointer(rebasing: rest).load(as: inotify_event.self)
            let name = rest.dropFirst(headerSize).prefix(Int(header.len))
            if name.isEmpty || name.prefix(while: { $0 != 0 }).elementsEqual(self.name) { return true }
            rest = rest.dropFirst(headerSize + Int(header.len))
        }
        return false
    }
}
