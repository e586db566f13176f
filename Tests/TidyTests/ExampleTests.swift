// SPDX-License-Identifier: Apache-2.0
import Testing

/// Examples in comments and in Markdown compile. One in Swift stands in a test, too, line by line. One in C stands in a
/// plugin that the tests compile: a plugin for tests, or a template of `make new-plugin`.
@Suite struct ExampleTests {
    struct Example: CustomStringConvertible {
        let place: String
        var lines: [String] = []

        var description: String { "\(place):\n\(lines.joined(separator: "\n"))" }
    }

    private static let pages =
        SourceTree.files(in: "Sources", "Plugins", endings: ["md"])
        + ["README.md", "CONTRIBUTING.md"].compactMap(SourceTree.file)

    /// Lines of documentation that are indented by four, after an empty one: `///     let a = 1`.
    private static func inComments(of file: SourceFile) -> [Example] {
        var mayBegin = false
        return blocks(of: file) { line in
            let line = line.drop { $0 == " " }
            let isCode = mayBegin && line.hasPrefix("///     ")
            mayBegin = isCode || line == "///"
            return isCode ? line.dropFirst(8) : nil
        }
    }

    /// Lines between "```swift", or another language, and "```".
    private static func inMarkdown(of file: SourceFile, language: String) -> [Example] {
        var isInside = false
        return blocks(of: file) { line in
            if line.hasPrefix("```") {
                isInside = line == "```\(language)"
                return nil
            }
            return isInside ? line : nil
        }
    }

    private static func blocks(of file: SourceFile, _ code: (Substring) -> Substring?) -> [Example] {
        var examples: [Example] = []
        var isInside = false
        for (index, line) in file.lines.enumerated() {
            let line = code(line)
            if line != nil, !isInside { examples.append(Example(place: "\(file.path):\(index + 1)")) }
            isInside = line != nil
            if let line { examples[examples.count - 1].lines.append(trimmed(line)) }
        }
        return examples
    }

    private static func trimmed(_ line: Substring) -> String { String(line.drop { $0 == " " }) }

    private func expect(_ examples: [Example], atLeast count: Int, in files: [SourceFile]) {
        #expect(examples.count >= count)
        let compiled = files.map { $0.lines.map(Self.trimmed) }
        for example in examples where !compiled.contains(where: { $0.contains(example.lines) }) {
            Issue.record("put these lines into a test, so that they are compiled:\n\(example)")
        }
    }

    @Test func everyExampleInSwiftIsCompiled() {
        let examples =
            SourceTree.files(in: "Sources", "Plugins").flatMap(Self.inComments)
            + Self.pages.flatMap { Self.inMarkdown(of: $0, language: "swift") }
        expect(examples, atLeast: 10, in: SourceTree.files(in: "Tests"))
    }

    @Test func everyExampleInCIsCompiled() {
        let examples = Self.pages.flatMap { Self.inMarkdown(of: $0, language: "c") }
        expect(examples, atLeast: 8, in: SourceTree.files(in: "Tests", "packaging/templates", endings: ["c"]))
    }
}
