// SPDX-License-Identifier: Apache-2.0

/// An argument as it was typed: bytes, valid UTF-8 or not.
package typealias Bytes = [UInt8]

/// One option of a program, as data: the reader, the help and the completions of shells are made from it. `Meaning` says
/// what the program does with the option.
package struct Option<Meaning: Sendable>: Sendable {
    /// What follows the option.
    package enum Argument: Sendable {
        case none
        /// A word that the help calls so: attached (`-Fx`, `--file=x`) or the next one.
        case required(String)
        /// One of these words, or nothing. A next word that is not one of them is not the argument.
        case optional([String])
    }

    package let letter: Character?
    package let name: String?
    package let argument: Argument
    /// What the help says. Help and completions do not show an option without it.
    package let help: String?
    package let meaning: Meaning

    package init(
        _ letter: Character?, _ name: String?, _ argument: Argument = .none, does meaning: Meaning,
        help: String? = nil
    ) {
        self.letter = letter
        self.name = name
        self.argument = argument
        self.help = help
        self.meaning = meaning
    }
}

extension Option {
    /// All its names, in the form that a user types.
    package var spellings: [String] { (letter.map { ["-\($0)"] } ?? []) + (name.map { ["--\($0)"] } ?? []) }

    /// All its names with its argument, as in a manual: `-F, --pid-file <file>`.
    package var synopsis: String {
        let names = spellings.joined(separator: ", ")
        return switch argument {
        case .none: names
        case .required(let what): "\(names) <\(what)>"
        case .optional(let words): "\(names) [\(words.joined(separator: "|"))]"
        }
    }

    package var takesArgument: Bool {
        if case .none = argument { false } else { true }
    }

    func isNamed(_ byte: UInt8) -> Bool { letter?.asciiValue == byte }
}
