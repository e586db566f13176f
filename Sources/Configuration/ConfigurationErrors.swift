// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// All errors of a configuration, in the order of the file, so that an operator can correct them in one go.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    /// How many errors a message spells out. A file of another kind would otherwise scroll the first ones away.
    static let shownMax = 50

    public let all: [ConfigurationError]

    public init(_ errors: [ConfigurationError]) {
        // Options of the command line come after the file that they change; the sort is stable.
        all = errors.sorted { a, b in Self.rank(a) < Self.rank(b) }
    }

    private static func rank(_ error: ConfigurationError) -> (Int, Int) {
        guard let place = error.place, place.line > 0 else { return (.max, 0) }
        return (place.line, place.column)
    }

    /// One line for each error.
    public var description: String {
        var lines = all.prefix(Self.shownMax).map(\.description)
        if all.count > Self.shownMax { lines.append("and \(all.count - Self.shownMax) more") }
        return lines.joined(separator: "\n")
    }
}
