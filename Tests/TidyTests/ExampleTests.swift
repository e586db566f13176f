// SPDX-License-Identifier: Apache-2.0
import Testing

/// Swift examples in comments and in Markdown compile: each stands in a test, too, line by line.
@Suite struct ExampleTests {
    struct Example: CustomStringConvertible {
        let place: String
        var lines: [String] = []

        var description: String { "\(place):\n\(lines.joined(separator: "\n"))" }
    }

    private let examples: [Example] =
        SourceTree.files(in: "Sources", "Plugins").flatMap(inComments)
        + (SourceTree.files(in: "Sources", "Plugins", endings: ["md"])
        + ["README.md", "CONTRIBUTING.md"].compactMap(SourceTree.file)).flatMap(inMarkdown)

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

    /// Lines between "```swift" and "```".
    private static func inMarkdown(of file: SourceFile) -> [Example] {
        var isInside = false
        return blocks(of: file) { line in
            if line.hasPrefix("```") {
                isInside = line == "```swift"
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

    @Test func everyExampleIsCompiled() {
        #expect(examples.count >= 4)
        let tests = SourceTree.files(in: "Tests").map { $0.lines.map(Self.trimmed) }
        for example in examples where !tests.contains(where: { $0.contains(example.lines) }) {
            Issue.record("put these lines into a test, so that they are compiled:\n\(example)")
        }
    }
}
