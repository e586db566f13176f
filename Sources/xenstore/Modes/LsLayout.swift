// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreClient

/// How `ls` fills a line: it cuts name and value to the width of the terminal. It computes like Xen 4.17's tool, with its
/// peculiarities: it neither cuts nor counts a path (`-f`).
struct LsLayout {
    private let flat: Bool
    /// Columns that a line may take; negative if lines are not cut.
    private let width: Int

    /// The columns for ` = "` and `\..."`.
    private static let ornaments = 8
    /// The column of the permissions, if name and value are short enough and the line is long enough.
    private static let permissionsColumn = 60

    init(flat: Bool) {
        self.flat = flat
        width = Self.terminalWidth ?? (flat ? -1 : 80)
    }

    /// Two columns of a terminal stay free.
    private static var terminalWidth: Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return Int(size.ws_col) - 2
    }

    /// A node's line, up to its permissions.
    ///
    /// - Parameters:
    ///   - title: its name, or its path.
    ///   - value: nil if it could not be read.
    func line(
        _ title: Bytes, depth: Int, value: Bytes?, withPermissions: Bool
    ) -> Bytes {
        let indent = flat ? 0 : depth
        let room = width < 0 ? Int.max : width - Self.ornaments - indent
        // Without any room the whole value is printed, and still marked as cut.
        let name = flat || room < 0 ? title[...] : title.prefix(room)
        var line = Bytes(repeating: 0x20, count: indent) + name
        guard let value else { return line + ":\n".utf8 }

        let text = ValueText.escape(value)
        let left = flat || room < 0 ? room : room - name.count
        guard value.count <= left else {
            return line + " = \"".utf8 + (left < 0 ? text[...] : text.prefix(left)) + "\\...\"".utf8
        }
        line += " = \"".utf8 + text + "\"".utf8
        return withPermissions ? line + leader(from: line.count) : line
    }

    /// Blanks or dots between the end of a line and its permissions.
    private func leader(from column: Int) -> Bytes {
        var leader: Bytes = [0x20]
        let end = min(width, Self.permissionsColumn)
        guard !flat, column + 1 < end else { return leader }
        for column in column + 1..<end {
            leader.append(column.isMultiple(of: 2) ? 0x20 : UInt8(ascii: "."))
        }
        return leader
    }
}
