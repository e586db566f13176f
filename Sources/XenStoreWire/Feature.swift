// SPDX-License-Identifier: Apache-2.0

/// The bits of GET_FEATURE and of a ring's `server_features` word.
public struct Feature: OptionSet, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A guest may ask for its ring to be reset (`connection` word).
    public static let reconnection = Feature(rawValue: 1)
    /// The ring's `error` word says why a guest is no longer served.
    public static let errorField = Feature(rawValue: 2)
    /// WATCH takes a depth.
    public static let watchDepth = Feature(rawValue: 4)
    /// Permissions may name DOMID_ANY.
    public static let anyDomain = Feature(rawValue: 8)

    /// What this daemon offers: all of them.
    public static let all: Feature = [.reconnection, .errorField, .watchDepth, .anyDomain]
}
