// SPDX-License-Identifier: Apache-2.0

/// A plugin of any kind that counts what it does.
///
/// The daemon counts, too. A plugin reads all counters through its host: ``PluginHost/measurements()``. So metrics need
/// a transport that answers one question, and no plugin needs to know another one.
public protocol Measurable: Plugin {
    /// What the plugin has measured by now, always under the same names and in the same order.
    var measurements: [Measurement] { get }
}

/// A number that says what a part of the daemon does.
public struct Measurement: Sendable, Equatable {
    /// Lower case with dashes, such as `bytes-received`. Each name of a part is different.
    public var name: String
    public var value: UInt64
    public var unit: Unit
    public var kind: Kind
    /// One sentence for the operator.
    public var summary: String

    public enum Unit: String, Sendable, CaseIterable {
        /// A count of things, which the name says.
        case one
        case bytes, nanoseconds
    }

    public enum Kind: String, Sendable, CaseIterable {
        /// How much there ever was. It begins at 0 with the daemon, and only grows.
        case total
        /// How much there is now.
        case current
    }

    /// How much there ever was.
    public static func total(_ name: String, _ value: UInt64, in unit: Unit = .one, _ summary: String) -> Measurement {
        Measurement(name: name, value: value, unit: unit, kind: .total, summary: summary)
    }

    /// How much there is now.
    public static func current(_ name: String, _ value: UInt64, in unit: Unit = .one, _ summary: String) -> Measurement
    {
        Measurement(name: name, value: value, unit: unit, kind: .current, summary: summary)
    }
}

/// What one part of the daemon has measured.
public struct MeasuredPart: Sendable, Equatable {
    /// `daemon`, or the plugin's name in the configuration, such as `unix-socket@admin`.
    public var name: String
    public var measurements: [Measurement]

    public init(_ name: String, _ measurements: [Measurement]) {
        self.name = name
        self.measurements = measurements
    }
}
