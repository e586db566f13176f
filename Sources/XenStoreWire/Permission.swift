// SPDX-License-Identifier: Apache-2.0

/// What a permission entry lets its domain do with a node.
public struct Access: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let read = Access(rawValue: 1)
    public static let write = Access(rawValue: 2)
    /// Changing the permissions themselves; never in an entry, only asked for.
    public static let owner = Access(rawValue: 4)

    /// The wire's letter: `n`, `r`, `w` or `b`.
    public var letter: UInt8 {
        switch (contains(.read), contains(.write)) {
        case (false, false): UInt8(ascii: "n")
        case (true, false): UInt8(ascii: "r")
        case (false, true): UInt8(ascii: "w")
        case (true, true): UInt8(ascii: "b")
        }
    }

    /// The access that a wire letter stands for, nil for any other byte.
    public init?(letter: UInt8) {
        switch letter {
        case UInt8(ascii: "n"): self = []
        case UInt8(ascii: "r"): self = .read
        case UInt8(ascii: "w"): self = .write
        case UInt8(ascii: "b"): self = [.read, .write]
        default: return nil
        }
    }
}

/// One entry of a node's permission list. The first entry names the owner, and its access is what
/// everyone not listed gets; the others grant their access to one domain each.
public struct Permission: Hashable, Sendable {
    public var access: Access
    public var domain: DomainID
    /// The domain this entry was made for is gone: the entry is shown but no longer honoured, so
    /// that a new domain under the same number inherits nothing (XSA-322, XSA-417).
    public var isStale: Bool

    public init(_ access: Access, _ domain: DomainID, isStale: Bool = false) {
        self.access = access
        self.domain = domain
        self.isStale = isStale
    }

    /// Parses a wire entry such as `r5`: a letter, then decimal digits up to 65535 and nothing
    /// else. `text` is without its NUL. Nil if it is anything else.
    public init?(wire text: UnsafeRawBufferPointer) {
        guard let first = text.first, let access = Access(letter: first),
            let number = UInt16(decimal: UnsafeRawBufferPointer(rebasing: text.dropFirst()))
        else { return nil }
        self.init(access, DomainID(number))
    }
}

extension FixedWidthInteger {
    /// The number that decimal digits, and nothing but digits, spell. Nil for an empty text, any
    /// other byte, or a number that does not fit.
    @inlinable
    public init?(decimal text: UnsafeRawBufferPointer) {
        if text.isEmpty { return nil }
        var value: Self = 0
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            let (sum, carry) = tens.addingReportingOverflow(Self(byte - UInt8(ascii: "0")))
            if carry { return nil }
            value = sum
        }
        self = value
    }
}
