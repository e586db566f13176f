// SPDX-License-Identifier: Apache-2.0

/// One key that a block of the configuration understands. The list of keys is all there is to know:
/// checking, `--print-config`, `--plugins` and the man page come from it.
public struct ConfigurationKey: Sendable, Equatable {
    public indirect enum Kind: Sendable, Equatable {
        /// Any text.
        case text
        /// An absolute path of a file that the daemon makes, which no other may be. `${rundir}` in it stands for
        /// the run directory, and is replaced before a plugin sees it.
        case path
        /// The same of something that is there already, such as a device.
        case device
        /// `true` or `false`.
        case flag
        /// A decimal number within bounds, both included.
        case number(ClosedRange<Int>)
        /// Permission bits of a file in octal, such as `0600`. The checked value is a number.
        case mode
        /// One of a few words.
        case choice([String])
        /// A mapping whose keys are domain ids, and whose values are mappings with these keys. What
        /// a domain's block leaves out is left out of its checked values, too: no defaults are
        /// filled in there, so that it can fall back to what holds for every domain.
        case perDomain([ConfigurationKey])
    }

    public var name: String
    public var kind: Kind
    /// As it would stand in the file; nil if the key has no value unless it is given.
    public var defaultValue: ConfigurationValue?
    /// One sentence for the operator: what it does, its unit, what a special value means.
    public var summary: String
    /// The plugin runs without the file that the key names, though not as well: a path where no file can be made
    /// is worth a warning only.
    public var isDispensable: Bool

    public init(
        _ name: String, _ kind: Kind, default defaultValue: ConfigurationValue?, _ summary: String,
        isDispensable: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.summary = summary
        self.isDispensable = isDispensable
    }
}

/// A value after checking.
public enum ConfigurationValue: Sendable, Equatable {
    case text(String)
    case flag(Bool)
    case number(Int)
    /// Per-domain blocks by domain id, in the order of the file.
    case domains([(domain: Int, block: ConfigurationBlock)])

    public static func == (a: ConfigurationValue, b: ConfigurationValue) -> Bool {
        switch (a, b) {
        case (.text(let x), .text(let y)): x == y
        case (.flag(let x), .flag(let y)): x == y
        case (.number(let x), .number(let y)): x == y
        case (.domains(let x), .domains(let y)):
            x.elementsEqual(y) { $0.domain == $1.domain && $0.block == $1.block }
        default: false
        }
    }
}

/// The checked values of one block: every key that has a default is there.
public struct ConfigurationBlock: Sendable, Equatable {
    public private(set) var values: [String: ConfigurationValue]
    /// The block's own key with all the blocks it stands in, dotted: `transports.unix-socket`.
    public var path: String
    /// Where the block stands in the file, for a plugin's own errors.
    public var place: ConfigurationPlace?
    /// Where those values stand that were given, by key.
    public var places: [String: ConfigurationPlace]
    /// The log of the plugin that is made from the block.
    public var log = PluginLog.silent

    public init(
        _ values: [String: ConfigurationValue], path: String = "", place: ConfigurationPlace? = nil,
        places: [String: ConfigurationPlace] = [:]
    ) {
        self.values = values
        self.path = path
        self.place = place
        self.places = places
    }

    /// The block that a file with nothing in it would give.
    public init(defaultsOf keys: [ConfigurationKey]) {
        self.init([:])
        for key in keys { values[key.name] = key.defaultValue }
    }

    /// Blocks are equal if they configure the same; where that was written does not matter.
    public static func == (a: ConfigurationBlock, b: ConfigurationBlock) -> Bool {
        a.values == b.values
    }

    public func text(_ key: String) -> String? {
        if case .text(let value)? = values[key] { value } else { nil }
    }
    public func number(_ key: String) -> Int? {
        if case .number(let value)? = values[key] { value } else { nil }
    }
    public func flag(_ key: String) -> Bool {
        if case .flag(let value)? = values[key] { value } else { false }
    }
    public func domains(_ key: String) -> [(domain: Int, block: ConfigurationBlock)] {
        if case .domains(let value)? = values[key] { value } else { [] }
    }
    /// The block with one value replaced.
    public func with(_ key: String, _ value: ConfigurationValue) -> ConfigurationBlock {
        var changed = self
        changed.values[key] = value
        return changed
    }
    /// What a plugin throws if it cannot take the value of `key`: says where the value stands.
    public func error(_ problem: String, key: String, suggestion: String? = nil) -> ConfigurationError {
        ConfigurationError(
            problem, key: path.isEmpty ? key : "\(path).\(key)", at: places[key] ?? place,
            suggestion: suggestion)
    }
}

/// A place in a configuration file; lines and columns count from 1. What does not come from a line
/// of a file, such as an option of the command line, is a place with a name only.
public struct ConfigurationPlace: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
    /// A whole file, or an option of the command line.
    public init(_ name: String) {
        self.init(file: name, line: 0, column: 0)
    }
    public var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}

/// Something wrong with the configuration: what, where, and what was likely meant.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    public var place: ConfigurationPlace?
    /// The key with all the blocks it stands in, dotted: `transports.unix-socket.mode`. Empty if
    /// the problem is the file's as a whole.
    public var key: String
    public var problem: String
    /// The nearest known key or word, if one is near.
    public var suggestion: String?

    public init(_ problem: String, key: String, at place: ConfigurationPlace? = nil, suggestion: String? = nil) {
        self.problem = problem
        self.key = key
        self.place = place
        self.suggestion = suggestion
    }

    public var description: String {
        let prefix = place.map { "\($0): " } ?? ""
        let subject = key.isEmpty ? "" : "\(key): "
        let hint = suggestion.map { "; did you mean '\($0)'?" } ?? ""
        return "\(prefix)\(subject)\(problem)\(hint)"
    }
}
