// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A file of this package, line by line.
struct SourceFile {
    /// From the package's folder.
    let path: String
    let lines: [Substring]

    /// "path:line" of each line for which this holds.
    func places(where matches: (Substring) -> Bool) -> [String] {
        lines.indices.filter { matches(lines[$0]) }.map { "\(path):\($0 + 1)" }
    }

    /// Modules that it imports, also below an `#if`.
    var imports: [Substring] {
        lines.compactMap { line in
            guard line.contains("import ") else { return nil }
            return line.firstMatch(of: /^ *(?:@\w+ |public |internal )*import (?:struct |func |class |enum )?(\w+)/)?.1
        }
    }
}

/// The package as it stands on disk.
enum SourceTree {
    /// The folder of Package.swift, three levels above this file.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    static func file(_ path: String) -> SourceFile? {
        guard let text = try? String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) else { return nil }
        return SourceFile(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }

    /// All files below folders (of the package's root) whose names end like this.
    static func files(in folders: String..., endings: Set<String> = ["swift"]) -> [SourceFile] {
        folders.flatMap { folder in
            (FileManager.default.subpaths(atPath: "\(root)/\(folder)") ?? []).sorted()
                .filter { endings.contains(URL(filePath: $0).pathExtension) }
                .compactMap { file("\(folder)/\($0)") }
        }
    }

    /// The folders of plugins: Plugins/KIND/NAME.
    static var pluginFolders: [String] { folders.filter { !$0.hasPrefix(examples) } }

    /// The folders of examples, which stand alone: Plugins/Examples/NAME.
    static var exampleFolders: [String] { folders.filter { $0.hasPrefix(examples) } }

    static let examples = "Plugins/Examples/"

    private static var folders: [String] {
        let plugins = "\(root)/Plugins"
        let paths = FileManager.default.subpaths(atPath: plugins) ?? []
        return paths.filter { $0.split(separator: "/").count == 2 && isFolder("\(plugins)/\($0)") }.sorted()
            .map { "Plugins/\($0)" }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}
