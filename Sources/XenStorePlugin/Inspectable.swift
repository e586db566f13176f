// SPDX-License-Identifier: Apache-2.0

/// A plugin of any kind that keeps something in a file, and can look at the file while no daemon runs:
/// `--check-store` and `--repair-store`.
public protocol Inspectable: Plugin {
    /// Looks at a file, or repairs it as far as possible. Nil if the plugin never makes such a file; another one is
    /// asked then.
    ///
    /// The plugin is not made for that: there may be no configuration. `.check` changes nothing, and a daemon that uses
    /// the file may go on. The error says what prevents the inspection.
    static func inspect(_ path: String, _ purpose: InspectionPurpose) throws(StorageError) -> Inspection?
}

/// What an operator wants of a file.
public enum InspectionPurpose: Sendable {
    /// To know what is in it, and what is wrong with it.
    case check
    /// To have all of it that can be saved under its name. The plugin sets the old file aside.
    case repair
}

/// What a plugin has found in a file.
public struct Inspection: Sendable, Equatable {
    /// For standard output.
    public var text: String
    /// Nothing is wrong with the file, or not any more.
    public var isGood: Bool

    public init(_ text: String, isGood: Bool) {
        self.text = text
        self.isGood = isGood
    }
}
