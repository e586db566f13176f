// SPDX-License-Identifier: Apache-2.0
import Configuration

/// A command line that makes no sense.
struct UsageError: Error, Equatable {
    var message: String
    init(_ message: String) { self.message = message }
}

/// A command line in which the options of other daemons are translated. It reads them as getopt would.
struct CompatibilityReading {
    /// The rest, for the parser of our own options, in their long or single-letter form.
    private(set) var arguments: [String] = []
    private(set) var overlays: [Overlay] = []
    /// Messages about options that have no effect here.
    private(set) var notices: [String] = []

    private var rest: ArraySlice<String>

    init(_ commandLine: [String]) throws(UsageError) {
        rest = commandLine[...]
        while let word = rest.popFirst() {
            if word == "--" {
                arguments += [word] + rest
                return
            } else if word.hasPrefix("--") {
                try readLong(word)
            } else if word.hasPrefix("-"), word.count > 1 {
                try readCluster(word)
            } else {
                arguments.append(word)
            }
        }
    }

    private mutating func readLong(_ word: String) throws(UsageError) {
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let option = CompatibilityOption.all.first(where: { $0.long == parts[0] }) else {
            // The parser of our own options knows this option, or suggests a similar one.
            arguments.append(word)
            return
        }
        try read(option, as: "--\(option.long)", attached: parts.count > 1 ? String(parts[1]) : nil)
    }

    /// `-NF/run/pid` means `-N` and `-F /run/pid`.
    private mutating func readCluster(_ word: String) throws(UsageError) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            guard let option = CompatibilityOption.all.first(where: { $0.short == letter }) else {
                throw UsageError("unknown option '-\(letter)'")
            }
            var attached: String?
            if option.takesArgument, !letters.isEmpty {
                attached = String(letters)
                letters = ""
            }
            try read(option, as: "-\(letter)", attached: attached)
        }
    }

    private mutating func read(
        _ option: CompatibilityOption, as name: String, attached: String?
    ) throws(UsageError) {
        let argument: String?
        switch option.argument {
        case .none:
            guard attached == nil else { throw UsageError("\(name) takes no argument") }
            argument = nil
        case .required(let what):
            guard let given = attached ?? rest.popFirst() else {
                throw UsageError("\(name) needs an argument: \(name) <\(what)>")
            }
            argument = given
        case .optional(let words):
            if let attached, !words.contains(attached) {
                throw UsageError("\(name) takes \(words.joined(separator: " or ")), not '\(attached)'")
            }
            argument = attached ?? (words.contains(rest.first ?? "") ? rest.popFirst() : nil)
        }
        try apply(option, as: name, argument ?? "")
    }

    private mutating func apply(
        _ option: CompatibilityOption, as name: String, _ argument: String
    ) throws(UsageError) {
        switch option.meaning {
        case .ours:
            // Joined by `=`, so that an argument that begins with a dash stays an argument.
            if case .required = option.argument {
                arguments.append("--\(option.long)=\(argument)")
            } else {
                arguments.append("--\(option.long)")
            }
        case .spelling(let ours):
            arguments.append(ours)
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
        overlays.append(overlay)
    }
}
