// SPDX-License-Identifier: Apache-2.0

/// Reads a command line word by word as C's `getopt_long` does: `-NFfile` is `-N -F file`, options may follow operands,
/// and `--` ends the options. It goes on after a mistake.
package struct OptionReader<Meaning: Sendable>: Sequence, IteratorProtocol {
    package enum Item {
        /// `written` is the option's name as the command line has it, with its dashes.
        case option(Option<Meaning>, written: String, argument: Bytes?)
        case operand(Bytes)
        case mistake(OptionMistake)
    }

    private let options: [Option<Meaning>]
    private let abbreviates: Bool
    private let operandsEndOptions: Bool
    private var rest: ArraySlice<Bytes>
    /// The letters after the last one of a word such as `-NF`.
    private var letters: ArraySlice<UInt8> = []
    private var isPastOptions = false

    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - abbreviates: whether the first letters of a long name are enough, if no other name begins with them.
    ///   - operandsEndOptions: whether all words after the first operand are operands.
    package init(
        _ options: [Option<Meaning>], _ arguments: [Bytes], abbreviates: Bool = false, operandsEndOptions: Bool = false
    ) {
        self.options = options
        self.abbreviates = abbreviates
        self.operandsEndOptions = operandsEndOptions
        rest = arguments[...]
    }

    package mutating func next() -> Item? {
        if let letter = letters.popFirst() { return read(letter) }
        guard let word = rest.popFirst() else { return nil }
        guard !isPastOptions, word.count > 1, word[0] == dash else {
            if operandsEndOptions { isPastOptions = true }
            return .operand(word)
        }
        guard word[1] == dash else {
            letters = word[1...]
            return next()
        }
        guard word.count > 2 else {
            isPastOptions = true
            return next()
        }
        return read(word)
    }

    /// A word of letters: the argument is the rest of the word, or the next word.
    private mutating func read(_ letter: UInt8) -> Item {
        guard let option = options.first(where: { $0.isNamed(letter) }) else {
            return .mistake(.unknownLetter([letter] + letters))
        }
        var attached: Bytes?
        if option.takesArgument, !letters.isEmpty {
            attached = Bytes(letters)
            letters = []
        }
        return read(option, as: "-\(Unicode.Scalar(letter))", attached)
    }

    /// A long name, with `=argument` or without.
    private mutating func read(_ word: Bytes) -> Item {
        let parts = word[2...].split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        switch named(parts[0], in: word) {
        case .success(let option):
            return read(option, as: "--\(option.name ?? "")", parts.count > 1 ? Bytes(parts[1]) : nil)
        case .failure(let mistake):
            return .mistake(mistake)
        }
    }

    private func named(_ typed: ArraySlice<UInt8>, in word: Bytes) -> Result<Option<Meaning>, OptionMistake> {
        if let option = options.first(where: { $0.name?.utf8.elementsEqual(typed) == true }) { return .success(option) }
        let meant = abbreviates ? options.filter { $0.name?.utf8.starts(with: typed) == true } : []
        switch meant.count {
        case 0: return .failure(.unknown(word))
        case 1: return .success(meant[0])
        default: return .failure(.ambiguous(word, among: meant.compactMap(\.name)))
        }
    }

    private mutating func read(_ option: Option<Meaning>, as written: String, _ attached: Bytes?) -> Item {
        switch option.argument {
        case .none:
            guard attached == nil else { return .mistake(.takesNoArgument(written)) }
            return .option(option, written: written, argument: nil)
        case .required(let what):
            guard let argument = attached ?? rest.popFirst() else { return .mistake(.needsArgument(written, what)) }
            return .option(option, written: written, argument: argument)
        case .optional(let words):
            func isOne(_ argument: Bytes) -> Bool { words.contains { $0.utf8.elementsEqual(argument) } }
            if let attached, !isOne(attached) { return .mistake(.takesOnly(words, written, attached)) }
            if attached == nil, let next = rest.first, isOne(next) {
                return .option(option, written: written, argument: rest.popFirst())
            }
            return .option(option, written: written, argument: attached)
        }
    }
}

private let dash = UInt8(ascii: "-")
