// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The text of a configuration, and its name in messages.
public struct ConfigurationText: Sendable {
    /// Far more than any host needs. A larger file is not a configuration.
    static let bytesMax = 1 << 20

    public let name: String
    let bytes: [UInt8]

    public init(_ text: String, name: String) {
        self.init(bytes: Array(text.utf8), name: name)
    }

    /// Makes it from bytes, which may not even be text.
    public init(bytes: [UInt8], name: String) {
        self.name = name
        // Editors of other systems put a byte order mark before the text. It has no meaning in UTF-8.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        self.bytes = bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
    }

    /// Reads a file, but no more than the largest acceptable size.
    public init(file path: String) throws(ConfigurationErrors) {
        self.init(bytes: try Self.contents(of: path), name: path)
    }

    private static func contents(of path: String) throws(ConfigurationErrors) -> [UInt8] {
        // Opening or reading something else than a file may block.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw unreadable(path, reason(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path, reason(errno)) }
        if let kind = otherKind(of: status) { throw unreadable(path, "it is \(kind), not a file") }

        var bytes: [UInt8] = []
        while bytes.count <= bytesMax {
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw unreadable(path, reason(errno))
            }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// The kind of a thing that is not a file.
    private static func otherKind(of status: stat) -> String? {
        switch status.st_mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "a folder"
        case S_IFIFO: "a fifo"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    private static func unreadable(_ path: String, _ reason: String) -> ConfigurationErrors {
        ConfigurationErrors([
            ConfigurationError("cannot be read: \(reason)", key: "", at: ConfigurationPlace(path))
        ])
    }
}

extension ConfigurationText {
    /// The errors that make the text unfit for parsing. libyaml would find them as well, but its messages about them
    /// mislead an operator.
    func flaws() -> [ConfigurationError] {
        if bytes.count > Self.bytesMax {
            let problem = "larger than \(Self.bytesMax) bytes; this is not a configuration file"
            return [ConfigurationError(problem, key: "", at: ConfigurationPlace(name))]
        }
        if let offset = bytes.firstIndex(of: 0) {
            return [flaw("a NUL byte; the file is damaged, or not a text file", at: offset)]
        }
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            let offset = error.byteOffsets.lowerBound
            return [flaw("not valid UTF-8; save the file as UTF-8 text", at: offset)]
        }
        return indentingTabs().map {
            flaw("a tab is used as indentation; YAML wants spaces", at: $0)
        }
    }

    /// The first tab of each line that has text and a tab in its indentation.
    private func indentingTabs() -> [Int] {
        var tabs: [Int] = []
        var lineStart = 0
        while lineStart < bytes.endIndex {
            let lineEnd = bytes[lineStart...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            let line = bytes[lineStart..<lineEnd]
            let content = line.firstIndex { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
            if let content, line[content] != UInt8(ascii: "#"), line[content] != UInt8(ascii: "\r"),
                let tab = line[..<content].firstIndex(of: UInt8(ascii: "\t"))
            {
                tabs.append(tab)
            }
            lineStart = lineEnd + 1
        }
        return tabs
    }

    private func flaw(_ problem: String, at offset: Int) -> ConfigurationError {
        ConfigurationError(problem, key: "", at: place(ofByte: offset))
    }

    /// The place of a byte as an editor shows it: columns count characters, not bytes.
    func place(ofByte offset: Int) -> ConfigurationPlace {
        let before = bytes[..<min(offset, bytes.count)]
        let newline = UInt8(ascii: "\n")
        let lineStart = before.lastIndex(of: newline).map { $0 + 1 } ?? 0
        let isContinuation = { (byte: UInt8) in byte & 0xC0 == 0x80 }
        return ConfigurationPlace(
            file: name,
            line: before.count { $0 == newline } + 1,
            column: before[lineStart...].count { !isContinuation($0) } + 1)
    }
}
