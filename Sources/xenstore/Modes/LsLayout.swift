// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreClient

/// How `ls` fills a line.
struct LsLayout {
    private let flat: Bool
    /// Columns that a line may take, or 0 if nothing is cut.
    private let width: Int

    /// What a line takes beside name and value: ` = "` and `\..."`, with what Xen's tool leaves free.
    private static let ornaments = 8
    /// Where the permissions begin, if name and value are short enough.
    private static let permissionsColumn = 60

    init(flat: Bool) {
        self.flat = flat
        width = flat ? 0 : Self.terminalWidth
    }

    /// Of the terminal two columns stay free; without one it is 80.
    private static var terminalWidth: Int {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return 80 }
        return Int(size.ws_col) - 2
    }

    /// A node's line, up to its permissions. `title` is its name and what stands before it.
    func line(_ title: Bytes, value: Bytes?, withPermissions: Bool) -> Bytes {
        guard let value else { return title + ":\n".utf8 }
        let text = ValueText.escape(value)
        let room = max(0, width - Self.ornaments - title.count)
        if !flat, value.count > room {
            return title + " = \"".utf8 + text.prefix(room) + "\\...\"".utf8
        }
        let line = title + " = \"".utf8 + text + "\"".utf8
        return withPermissions ? line + leader(from: line.count) : line
    }

    /// Blanks, or dots that lead the eye, from a line's end to its permissions.
    private func leader(from column: Int) -> Bytes {
        guard !flat, column < Self.permissionsColumn else { return [0x20] }
        return [0x20] + (column + 1..<max(column + 1, Self.permissionsColumn)).map {
            $0.isMultiple(of: 2) ? 0x20 : UInt8(ascii: ".")
        }
    }
}
