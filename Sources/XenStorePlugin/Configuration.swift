// SPDX-License-Identifier: Apache-2.0

/// One key in a block of the configuration. Checks, `--print-config`, `--plugins` and the manual all use the list of
/// keys.
public struct ConfigurationKey: Sendable, Equatable {
    public indirect enum Kind: Sendable, Equatable {
        /// Any text.
        case text
        /// An absolute path of a file that the daemon makes. No other key may name the same file. The plugin gets the
        /// path with the run directory in place of `${rundir}`.
        case path
        /// A path like that, of something that exists already, such as a device.
        case device
        /// `true` or `false`.
        case flag
        /// A decimal number within bounds, both included.
        case number(ClosedRange<Int>)
        /// Permission bits of a file in octal, such as `0600`. The checked value is a number.
        case mode
        /// One of a few words.
        case choice([String])
        /// A whole number with a unit, such as `500ms`, `2s` or `5m`, within bounds, both included. The finest unit is
        /// `us`.
        case duration(ClosedRange<Duration>)
        /// Bytes within bounds, both included: a whole number with a unit, such as `64KiB` or `1MiB`, or without one.
        /// The checked value is a number.
        case size(ClosedRange<Int>)
        /// A list of texts, of numbers, or of another kind that is a single value in the file.
        case list(Kind)
        /// The path of a file that only its owner may read. The checked value is what the file holds. It is read with
        /// the configuration, and never shown. The key has no default.
        case secret
        /// A mapping from domain ids to mappings with these keys. A key that is missing in a domain's block is also
        /// missing in its checked values. No default is filled in, so the value for all domains can apply.
        case perDomain([ConfigurationKey])
    }

    public var name: String
    public var kind: Kind
    /// The default, as a file would have it; nil if the key has no value by default.
    public var defaultValue: ConfigurationValue?
    /// One sentence for the operator: the effect of the key, its unit, and special values.
    public var summary: String
    /// Whether the plugin runs without the file that the key names, though not as well. If that file cannot be made,
    /// the daemon only warns.
    public var isDispensable: Bool
    /// A block without the key is an error. The key has no default.
    public var isRequired: Bool

    public init(
        _ name: String, _ kind: Kind, default defaultValue: ConfigurationValue?, _ summary: String,
        isDispensable: Bool = false, isRequired: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.summary = summary
        self.isDispensable = isDispensable
        self.isRequired = isRequired
    }
}

/// A value after checking.
public enum ConfigurationValue: Sendable, Equatable {
    case text(String)
    case flag(Bool)
    case number(Int)
    case duration(Duration)
    case list([ConfigurationValue])
    case secret(Secret)
    /// Per-domain blocks by domain id, in the order of the file.
    case domains([(domain: Int, block: ConfigurationBlock)])

    public static func == (a: ConfigurationValue, b: ConfigurationValue) -> Bool {
        switch (a, b) {
        case (.text(let x), .text(let y)): x == y
        case (.flag(let x), .flag(let y)): x == y
        case (.number(let x), .number(let y)): x == y
        case (.duration(let x), .duration(let y)): x == y
        case (.list(let x), .list(let y)): x == y
        case (.secret(let x), .secret(let y)): x == y
        case (.domains(let x), .domains(let y)):
            x.elementsEqual(y) { $0.domain == $1.domain && $0.block == $1.block }
        default: false
        }
    }
}

/// The checked values of one block. Every key with a default has a value.
public struct ConfigurationBlock: Sendable, Equatable {
    public private(set) var values: [String: ConfigurationValue]
    /// The block's key with all blocks around it, dotted: `transports.unix-socket`.
    public var path: String
    /// The plugin's name in the configuration, such as `unix-socket@admin`. It distinguishes plugins of one kind. Empty if
    /// the block does not come from a configuration.
    public var name: String { path.firstIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? "" }
    /// The place of the block in the file, for a plugin's own errors.
    public var place: ConfigurationPlace?
    /// The places of the given values, by key.
    public var places: [String: ConfigurationPlace]
    /// The log of the plugin that this block configures.
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

    /// The block of an empty file.
    public init(defaultsOf keys: [ConfigurationKey]) {
        self.init([:])
        for key in keys { values[key.name] = key.defaultValue }
    }

    /// Whether both blocks configure the same. Their places do not matter.
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
    public func duration(_ key: String) -> Duration? {
        if case .duration(let value)? = values[key] { value } else { nil }
    }
    /// The items of a list of texts.
    public func texts(_ key: String) -> [String] {
        items(key).compactMap { if case .text(let value) = $0 { value } else { nil } }
    }
    /// The items of a list of numbers.
    public func numbers(_ key: String) -> [Int] {
        items(key).compactMap { if case .number(let value) = $0 { value } else { nil } }
    }
    /// The items of a list of any kind.
    public func items(_ key: String) -> [ConfigurationValue] {
        if case .list(let value)? = values[key] { value } else { [] }
    }
    public func secret(_ key: String) -> Secret? {
        if case .secret(let value)? = values[key] { value } else { nil }
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
    /// The error that a plugin throws if it cannot accept the value of `key`. It has the value's place.
    public func error(_ problem: String, key: String, suggestion: String? = nil) -> ConfigurationError {
        ConfigurationError(
            problem, key: path.isEmpty ? key : "\(path).\(key)", at: places[key] ?? place,
            suggestion: suggestion)
    }
}

/// A place in a configuration file. Lines and columns count from 1. A value from elsewhere, such as the command line,
/// has a place with only a name.
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

/// An error in the configuration: the problem, its place, and the word that was likely meant.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    public var place: ConfigurationPlace?
    /// The key with all blocks around it, dotted: `transports.unix-socket.mode`. Empty if the problem concerns the
    /// whole file.
    public var key: String
    public var problem: String
    /// The nearest known key or word; nil if none is near.
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
