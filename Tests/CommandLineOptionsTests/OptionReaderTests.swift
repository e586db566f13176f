// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions
import Testing

/// What the reader makes of a command line, in short words: `N`, `file=x`, `'operand'`, or `!` with C's message.
private func reading(
    _ line: String, abbreviates: Bool = false, operandsEndOptions: Bool = false
) -> [String] {
    let words = line.split(separator: " ").map { Bytes($0.utf8) }
    return OptionReader(samples, words, abbreviates: abbreviates, operandsEndOptions: operandsEndOptions).map { item in
        switch item {
        case .option(let option, _, nil): option.meaning
        case .option(let option, _, let argument?): "\(option.meaning)=\(String(decoding: argument, as: UTF8.self))"
        case .operand(let word): "'\(String(decoding: word, as: UTF8.self))'"
        case .mistake(let mistake): "! " + String(decoding: mistake.wordsOfC, as: UTF8.self)
        }
    }
}

private let samples: [Option<String>] = [
    .init("N", "no-fork", does: "N"), .init("F", "file", .required("file"), does: "file"),
    .init("r", "recurse", does: "r"), .init("R", "raw", does: "R"),
    .init("I", "internal", .optional(["on", "off"]), does: "I"), .init(nil, "set", .required("k=v"), does: "set"),
]

@Suite struct OptionReaderTests {
    @Test(
        arguments: [
            ("", []), ("a -N b", ["'a'", "N", "'b'"]), ("-NFx -F y", ["N", "file=x", "file=y"]), ("-F -N", ["file=-N"]),
            ("--file=x=y --file z --file=", ["file=x=y", "file=z", "file="]),
            ("- -- -N --file", ["'-'", "'-N'", "'--file'"]),
            ("-I on -I -N -Ioff x", ["I=on", "I", "N", "I=off", "'x'"]),
            ("--internal=off --internal x", ["I=off", "I", "'x'"]),
            ("--set a=1 --set b=2", ["set=a=1", "set=b=2"]), ("-N --", ["N"]),
        ] as [(String, [String])])
    func optionsAndOperandsComeInOrder(_ line: String, _ expected: [String]) {
        #expect(reading(line) == expected)
    }

    @Test(
        arguments: [
            ("-xNy", ["! invalid option -- 'x'", "N", "! invalid option -- 'y'"]),
            ("--foo=3 -N", ["! unrecognized option '--foo=3'", "N"]), ("--rec", ["! unrecognized option '--rec'"]),
            ("-F", ["! option requires an argument -- 'F'"]), ("--file", ["! option '--file' requires an argument"]),
            ("--raw=1 x", ["! option '--raw' doesn't allow an argument", "'x'"]),
        ] as [(String, [String])])
    func readingGoesOnAfterAMistake(_ line: String, _ expected: [String]) {
        #expect(reading(line) == expected)
    }

    @Test(
        arguments: [
            ("--rec --fi=x", ["r", "file=x"]), ("--raw", ["R"]),
            ("--r=3", ["! option '--r=3' is ambiguous; possibilities: '--recurse' '--raw'"]),
        ] as [(String, [String])])
    func abbreviationsAreTakenWhereTheyAreWanted(_ line: String, _ expected: [String]) {
        #expect(reading(line, abbreviates: true) == expected)
    }

    @Test func anOperandMayEndTheOptions() {
        #expect(reading("-N a -N", operandsEndOptions: true) == ["N", "'a'", "'-N'"])
    }

    @Test(arguments: [
        ("--no-frok", "Unknown option '--no-frok'. Did you mean '--no-fork'?"),
        ("--fiel=x", "Unknown option '--fiel'. Did you mean '--file'?"),
        ("--elsewhere", "Unknown option '--elsewhere'."),
        ("-é", "unknown option '-é'"), ("-F", "-F needs an argument: -F <file>"),
        ("-Ix", "-I takes on or off, not 'x'"),
    ])
    func mistakesAreExplained(_ line: String, _ expected: String) {
        for case .mistake(let mistake) in OptionReader(samples, [Bytes(line.utf8)]) {
            #expect(mistake.explanation(among: samples) == expected)
            return
        }
        Issue.record("no mistake")
    }
}
