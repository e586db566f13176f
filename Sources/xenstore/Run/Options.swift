// SPDX-License-Identifier: Apache-2.0
@preconcurrency import CLinux
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

    /// One option's names: `value` is its letter, or beyond all letters if it has none.
    fileprivate struct Name {
        var option: Options
        var text: StaticString
        var value: Int32

        init(_ option: Options, _ text: StaticString, _ letter: UInt8) {
            self.option = option
            self.text = text
            value = Int32(letter)
        }
    }

    /// Xen's tools know these options in all modes, and then refuse those that the mode does not use. A message about an
    /// ambiguous abbreviation lists them in this order.
    private static let common = [
        Name([], "help", UInt8(ascii: "h")), Name(.flat, "flat", UInt8(ascii: "f")),
        Name(.prefix, "prefix", UInt8(ascii: "p")), Name(.tidy, "tidy", UInt8(ascii: "t")),
        Name(.upto, "upto", UInt8(ascii: "u")), Name(.recurse, "recurse", UInt8(ascii: "r")),
        Name(.number, "number", UInt8(ascii: "n")), Name(.raw, "raw", UInt8(ascii: "R")),
    ]
    /// Our own options. Only the modes that use them know them, so that all other modes behave like Xen's.
    private static let additional = [
        Name(.json, "json", 128), Name(.values, "values", 129), Name(.depth, "depth", 130),
    ]

    fileprivate static func names(_ accepted: Options) -> [Name] {
        common + additional.filter { accepted.contains($0.option) }
    }

    /// The option that `getopt_long` has found; nil for the one that asks for help.
    fileprivate static func option(_ value: Int32) -> Options? {
        (common + additional).first { $0.value == value && !$0.option.isEmpty }?.option
    }

    fileprivate var takesArgument: Bool { self == .number || self == .depth }
}

/// The options and operands of a command line.
struct ParsedOptions {
    var given: Options = []
    /// The argument of `-n`; -1 is no limit.
    var number: Int32 = -1
    /// The argument of `--depth`.
    var depth: UInt32?
    /// The arguments that are not options.
    var operands: [Bytes] = []

    /// Parses by `getopt_long`, so that permutation, abbreviations and messages are those of Xen's tools. Like them it goes
    /// on after an unknown option. Nil if the user asks for help, or if the mode does not take one of the options.
    init?(_ arguments: CommandLineArguments, accepting accepted: Options) {
        let names = Options.names(accepted)
        let table = names.map { name in
            option(
                name: UnsafeRawPointer(name.text.utf8Start).assumingMemoryBound(to: CChar.self),
                has_arg: name.option.takesArgument ? required_argument : no_argument,
                flag: nil, val: name.value)
        }
        let end = option(name: nil, has_arg: 0, flag: nil, val: 0)
        let all = table + [end]
        while true {
            let value = getopt_long(arguments.argc, arguments.argv, "hfspturn:R", all, nil)
            if value == -1 { break }
            // An unknown option, which `getopt_long` has reported; or -s, which once meant to use the socket.
            if value == Int32(UInt8(ascii: "?")) || value == Int32(UInt8(ascii: "s")) { continue }
            guard let option = Options.option(value), accepted.contains(option) else { return nil }
            given.insert(option)
            let argument = optarg.map { Bytes(cString: $0) } ?? []
            if option == .number { number = argument.leadingInt32 }
            if option == .depth { depth = argument.withUnsafeBytes { UInt32(decimal: $0) } }
            if option == .depth, depth == nil { return nil }
        }
        operands = arguments[from: Int(optind)...]
    }
}
