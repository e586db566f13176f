// SPDX-License-Identifier: Apache-2.0

/// A domain's number, as Xen counts them: dom0 is 0, guests are 1...32751, above are reserved.
public struct DomainID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: UInt16

    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    @inlinable public init(_ number: UInt16) { rawValue = number }

    /// The control domain, which every socket client belongs to.
    public static let control = DomainID(0)
    /// DOMID_SELF: the domain that asks.
    public static let current = DomainID(32752)
    /// DOMID_ANY, in a permission entry: every domain (feature bit 8).
    public static let any = DomainID(32757)

    @inlinable public static func < (a: DomainID, b: DomainID) -> Bool { a.rawValue < b.rawValue }
}
