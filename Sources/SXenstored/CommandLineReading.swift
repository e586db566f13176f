// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions
import Configuration

/// A command line that makes no sense.
struct UsageError: Error, Equatable {
    var message: String
    init(_ message: String) { self.message = message }
}

/// What the options of a command line say.
struct CommandLineReading {
    /// The daemon answers one of these and exits.
    enum Question: Equatable {
        case help, version
        case checkConfig, printConfig, plugins
    }

    private(set) var question: Question?
    /// The option that has asked the question.
    private var asked = ""
    private(set) var forks = true
    private(set) var printsPid = false
    private(set) var config: String?
    private(set) var pidFile: String?
    private(set) var traceFile: String?
    private(set) var checkStore: String?
    private(set) var repairStore: String?
    private(set) var tryPlugin: String?
    private(set) var tryClient: String?
    /// The values of `--set`.
    private(set) var overlays: [Overlay] = []
    /// The values of other daemons' options. Those of `--set` come after them.
    private(set) var compatible: [Overlay] = []
    /// Messages about options that have no effect here.
    private(set) var notices: [String] = []

    init(_ arguments: [String]) throws(UsageError) {
        let reader = OptionReader(DaemonOption.all, arguments.map { Bytes($0.utf8) })
        // Who asks for help gets it, whatever else is wrong.
        for case .option(let option, _, _) in reader {
            if case .help = option.meaning { question = .help }
            if case .version = option.meaning, question == nil { question = .version }
        }
        if question != nil { return }
        for item in reader {
            switch item {
            case .option(let option, let name, let argument):
                try apply(option.meaning, name, String(decoding: argument ?? [], as: UTF8.self))
            case .operand(let word):
                throw UsageError("Unexpected argument '\(String(decoding: word, as: UTF8.self))'")
            case .mistake(let mistake):
                throw UsageError(mistake.explanation(among: DaemonOption.all))
            }
        }
    }

    private mutating func apply(_ meaning: OptionMeaning, _ name: String, _ argument: String) throws(UsageError) {
        switch meaning {
        case .help: try ask(.help, name)
        case .version: try ask(.version, name)
        case .checkConfig: try ask(.checkConfig, name)
        case .printConfig: try ask(.printConfig, name)
        case .plugins: try ask(.plugins, name)
        case .noFork: forks = false
        case .outputPid: printsPid = true
        case .config: config = argument
        case .pidFile: pidFile = argument
        case .traceFile: traceFile = argument
        case .checkStore: checkStore = argument
        case .repairStore: repairStore = argument
        case .tryPlugin: tryPlugin = argument
        case .tryClient: tryClient = argument
        case .set:
            guard let overlay = Overlay(argument, origin: name) else {
                throw UsageError("\(name) needs path.to.key=value, not '\(argument)'")
            }
            overlays.append(overlay)
        case .compatible(let compatibility): try apply(compatibility, name, argument)
        }
    }

    private mutating func ask(_ question: Question, _ name: String) throws(UsageError) {
        guard self.question ?? question == question else {
            throw UsageError("\(asked) and \(name) exclude each other")
        }
        self.question = question
        asked = name
    }

    private mutating func apply(
        _ compatibility: Compatibility, _ name: String, _ argument: String
    ) throws(UsageError) {
        switch compatibility {
        case .sets(let key):
            try overlay("\(key)=\(argument)", name)
        case .fixes(let assignment):
            try overlay(assignment, name)
        case .assigns(let block):
            guard argument.contains("=") else { throw UsageError("\(name) needs what=n, not '\(argument)'") }
            try overlay("\(block).\(argument)", name)
        case .assignsOnly(let what, let key):
            guard argument.hasPrefix("\(what)=") else {
                throw UsageError("\(name) needs \(what)=n, not '\(argument)'")
            }
            try overlay("\(key)=\(argument.dropFirst(what.count + 1))", name)
        case .ignored(let reason):
            notices.append("\(name) has no effect: \(reason)")
        case .refused(let reason):
            throw UsageError("\(name): \(reason)")
        }
    }

    private mutating func overlay(_ assignment: String, _ origin: String) throws(UsageError) {
        guard let overlay = Overlay(assignment, origin: origin) else {
            throw UsageError("\(origin): '\(assignment)' is not of the form path.to.key=value")
        }
        compatible.append(overlay)
    }
}
