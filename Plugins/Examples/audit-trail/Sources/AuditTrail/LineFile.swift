// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file to which lines are appended, each as a whole.
final class LineFile {
    let path: String
    /// The permission bits of a file that it makes.
    var mode: Int
    private var descriptor: Int32 = -1
    /// A part of a line stands at the end of the file.
    private var isTorn = false

    init(_ path: String, mode: Int) { (self.path, self.mode) = (path, mode) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Opens the file, or opens it again. Returns what went wrong; then an open file stays.
    func open() -> String? {
        let new = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode_t(mode))
        if new < 0 { return problem("open") }
        var status = stat()
        guard fstat(new, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(new)
            return "\(path) is no file"
        }
        if descriptor >= 0 { close(descriptor) }
        descriptor = new
        isTorn = false
        return nil
    }

    /// Appends a line. Returns what went wrong; then nothing of the line counts.
    func append(_ line: [UInt8]) -> String? {
        // A reader takes the part of a line for a bad one, and goes on after it.
        if isTorn, write(descriptor, "\n", 1) != 1 { return problem("write") }
        isTorn = false
        let count = write(descriptor, line, line.count)
        if count == line.count { return nil }
        if count < 0 { return problem("write") }
        isTorn = !cutOff(count)
        return "cannot write \(path): there is room for only a part of a line"
    }

    /// Removes the bytes of a line that was written only in part.
    private func cutOff(_ count: Int) -> Bool {
        let end = lseek(descriptor, 0, SEEK_END)
        return end >= count && ftruncate(descriptor, end - count) == 0
    }

    private func problem(_ action: String) -> String { "cannot \(action) \(path): \(String(cString: strerror(errno)))" }
}
