// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A text for `--help`, wrapped to a width.
package struct HelpPage {
    package private(set) var text = ""
    private let width: Int

    /// The column of the explanations of options.
    private static let termColumns = 30

    package init(width: Int = HelpPage.terminalWidth) { self.width = max(width, 40) }

    /// The columns of the terminal, or 80.
    package static var terminalWidth: Int {
        var size = winsize()
        let isTerminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isTerminal ? Int(size.ws_col) : 80
    }

    package mutating func heading(_ text: String) { self.text += "\n\(text):\n" }

    /// An empty line.
    package mutating func gap() { text += "\n" }

    package mutating func paragraph(_ text: String, indent: Int = 0) { wrap(text, from: 0, indent: indent) }

    /// Options with their explanations in two columns. It leaves out those without one.
    package mutating func options<Meaning>(_ options: [Option<Meaning>], indent: Int = 2) {
        for option in options {
            guard let help = option.help else { continue }
            // Long names stand below each other.
            item(option.letter == nil ? "    " + option.synopsis : option.synopsis, help, indent: indent)
        }
    }

    /// A term, and its explanation beside it or, if the term is long, below it.
    package mutating func item(
        _ term: String, _ explanation: String, indent: Int = 2, column: Int = HelpPage.termColumns
    ) {
        let start = indent + term.utf8.count
        text += String(repeating: " ", count: indent) + term
        if start + 2 > column {
            text += "\n"
            wrap(explanation, from: 0, indent: column)
        } else {
            wrap(explanation, from: start, indent: column)
        }
    }

    /// A command, and below it what it does.
    package mutating func example(_ command: String, _ meaning: String) {
        paragraph(command, indent: 2)
        paragraph(meaning, indent: 6)
    }

    /// Writes words up to the width. The current line already has some columns.
    private mutating func wrap(_ words: String, from start: Int, indent: Int) {
        var column = start
        for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let length = word.utf8.count
            if column > indent, column + 1 + length > width {
                text += "\n"
                column = 0
            }
            let gap = column < indent ? indent - column : column == 0 ? 0 : 1
            text += String(repeating: " ", count: gap) + word
            column += gap + length
        }
        text += "\n"
    }
}
