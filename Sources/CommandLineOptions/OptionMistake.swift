// SPDX-License-Identifier: Apache-2.0
import Spelling

/// What is wrong with a command line. Options have their dashes, as they were typed.
package enum OptionMistake: Error {
    /// A long name, with its argument if it has one.
    case unknown(Bytes)
    /// The unknown letter, and all letters after it in the word.
    case unknownLetter(Bytes)
    case ambiguous(Bytes, among: [String])
    case needsArgument(String, String)
    case takesNoArgument(String)
    case takesOnly([String], String, Bytes)
}

extension OptionMistake {
    /// In our words, with the option that was most likely meant.
    package func explanation<Meaning>(among options: [Option<Meaning>]) -> String {
        switch self {
        case .unknown(let word):
            let typed = String(decoding: word.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
            let meant = nearest(to: String(typed.dropFirst(2)), among: options.compactMap(\.name))
            return "Unknown option '\(typed)'." + (meant.map { " Did you mean '--\($0)'?" } ?? "")
        case .unknownLetter(let letters):
            return "unknown option '-\(String(decoding: letters, as: UTF8.self).prefix(1))'"
        case .ambiguous(let word, let names):
            let list = names.map { "--\($0)" }.joined(separator: " or ")
            return "'\(String(decoding: word, as: UTF8.self))' may be \(list)"
        case .needsArgument(let name, let what):
            return "\(name) needs an argument: \(name) <\(what)>"
        case .takesNoArgument(let name):
            return "\(name) takes no argument"
        case .takesOnly(let words, let name, let given):
            return "\(name) takes \(words.joined(separator: " or ")), not '\(String(decoding: given, as: UTF8.self))'"
        }
    }

    /// In the words of C's `getopt_long`, for programs whose messages must be those of a C program.
    package var wordsOfC: Bytes {
        switch self {
        case .unknown(let word):
            return Bytes("unrecognized option '".utf8) + word + "'".utf8
        case .unknownLetter(let letters):
            return Bytes("invalid option -- '".utf8) + letters.prefix(1) + "'".utf8
        case .ambiguous(let word, let names):
            let list = names.map { " '--\($0)'" }.joined()
            return Bytes("option '".utf8) + word + "' is ambiguous; possibilities:\(list)".utf8
        case .needsArgument(let name, _):
            let letter = name.hasPrefix("--") ? nil : name.dropFirst()
            return Bytes(
                (letter.map { "option requires an argument -- '\($0)'" } ?? "option '\(name)' requires an argument")
                    .utf8)
        case .takesNoArgument(let name), .takesOnly(_, let name, _):
            return Bytes("option '\(name)' doesn't allow an argument".utf8)
        }
    }
}
