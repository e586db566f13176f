// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions
import Glibc
import XenStoreWire

/// The options that a tool may take.
struct Options: OptionSet {
    var rawValue: UInt16

    static let flat = Options(rawValue: 1 << 0)
    static let prefix = Options(rawValue: 1 << 1)
    static let tidy = Options(rawValue: 1 << 2)
    static let upto = Options(rawValue: 1 << 3)
    static let recurse = Options(rawValue: 1 << 4)
    static let number = Options(rawValue: 1 << 5)
    static let raw = Options(rawValue: 1 << 6)
    /// Options that Xen's tools do not have.
    static let json = Options(rawValue: 1 << 7)
    static let values = Options(rawValue: 1 << 8)
    static let depth = Options(rawValue: 1 << 9)
    static let help = Options(rawValue: 1 << 10)
    /// It once meant to use the socket, and means nothing any more.
    static let socket = Options(rawValue: 1 << 11)
}

/// An option of a tool.
typealias ToolOption = Option<Options>

extension ToolOption {
    /// Xen's tools know these options in all modes, and then refuse those that the mode does not use. A message about an
    /// ambiguous abbreviation lists them in this order.
    private static let common: [ToolOption] = [
        .init("h", "help", does: .help), .init("f", "flat", does: .flat), .init("p", "prefix", does: .prefix),
        .init("t", "tidy", does: .tidy), .init("u", "upto", does: .upto), .init("r", "recurse", does: .recurse),
        .init("n", "number", .required("count"), does: .number), .init("R", "raw", does: .raw),
        .init("s", nil, does: .socket),
    ]
    /// Our own options. Only the modes that use them know them, so that all other modes behave like Xen's.
    private static let additional: [ToolOption] = [
        .init(nil, "json", does: .json), .init(nil, "values", does: .values),
        .init(nil, "depth", .required("levels"), does: .depth),
    ]

    /// All options that a mode knows, with what they do there. It takes those with an explanation.
    static func all(_ explained: ExplainedOptions) -> [ToolOption] {
        let own = additional.filter { option in explained.contains { $0.key == option.meaning } }
        return (common + own).map { option in
            let help = explained.first { $0.key == option.meaning }?.value
            return ToolOption(option.letter, option.name, option.argument, does: option.meaning, help: help)
        }
    }
}

/// The options that a mode takes, and what they do there.
typealias ExplainedOptions = KeyValuePairs<Options, String>

/// The options and operands of a command line.
struct ParsedOptions {
    var given: Options = []
    /// The argument of `-n`; -1 is no limit.
    var number: Int32 = -1
    /// The argument of `--depth`.
    var depth: UInt32?
    /// The arguments that are not options.
    var operands: [Bytes] = []

    /// Reads them as C's `getopt_long` does, so that order, abbreviations and messages are those of Xen's tools. Like
    /// them it goes on after an unknown option. Nil if the user asks for help, or if the mode does not take one of the
    /// options.
    init?(_ arguments: CommandLineArguments, accepting explained: ExplainedOptions) {
        let reader = OptionReader(
            ToolOption.all(explained), arguments[from: 1...], abbreviates: true,
            operandsEndOptions: getenv("POSIXLY_CORRECT") != nil)
        for item in reader {
            switch item {
            case .mistake(let mistake):
                Messages(program: arguments[0]).warn(mistake.wordsOfC)
            case .operand(let word):
                operands.append(word)
            case .option(let option, _, let argument):
                if option.meaning == .socket { continue }
                guard option.help != nil else { return nil }
                given.insert(option.meaning)
                if option.meaning == .number { number = (argument ?? []).leadingInt32 }
                if option.meaning == .depth {
                    depth = argument?.withUnsafeBytes { UInt32(decimal: $0) }
                    if depth == nil { return nil }
                }
            }
        }
    }
}
