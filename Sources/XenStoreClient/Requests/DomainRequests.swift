// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

extension DomainID: WireText {
    public var wireBytes: [UInt8] { Array(String(rawValue).utf8) }
}

extension Request where Reply == String {
    /// The home of a domain, such as `/local/domain/5`. The domain need not exist.
    public static func getDomainPath(_ domain: DomainID) throws(XenStoreError) -> Self {
        try Self(.getDomainPath, strings: [domain], decode: Replies.text)
    }
}

extension Request where Reply == Bool {
    /// Whether the daemon serves a domain's ring.
    public static func isDomainIntroduced(_ domain: DomainID) throws(XenStoreError) -> Self {
        try Self(.isDomainIntroduced, strings: [domain], decode: Replies.flag)
    }
}

extension Request where Reply == Void {
    /// Tells the daemon to serve a domain's ring.
    public static func introduce(
        _ domain: DomainID, gfn: UInt64, port: UInt32
    ) throws(XenStoreError) -> Self {
        try Self(
            .introduce, strings: [domain, String(gfn), String(port)], decode: Replies.nothing)
    }

    /// Tells the daemon to stop serving a domain.
    public static func release(_ domain: DomainID) throws(XenStoreError) -> Self {
        try Self(.release, strings: [domain], decode: Replies.nothing)
    }

    /// Tells the daemon that a suspended domain goes on.
    public static func resume(_ domain: DomainID) throws(XenStoreError) -> Self {
        try Self(.resume, strings: [domain], decode: Replies.nothing)
    }

    /// Gives `domain`, a device model, the rights of `target`, the domain it works for.
    public static func setTarget(
        _ domain: DomainID, _ target: DomainID
    ) throws(XenStoreError) -> Self {
        try Self(.setTarget, strings: [domain, target], decode: Replies.nothing)
    }

    /// Sets the features that the daemon may offer to a domain that is not introduced yet.
    public static func setFeatures(
        of domain: DomainID, _ features: Feature
    ) throws(XenStoreError) -> Self {
        try Self(
            .setFeature, strings: [domain, String(features.rawValue)], decode: Replies.nothing)
    }

    /// Sets a quota of one domain, or, without one, of all domains that have no value of their own. 0 means no limit.
    public static func setQuota(
        _ name: some WireText, of domain: DomainID? = nil, to value: UInt32
    ) throws(XenStoreError) -> Self {
        let whose: [any WireText] = domain.map { [$0] } ?? []
        return try Self(
            .setQuota, strings: whose + [name, String(value)], decode: Replies.nothing)
    }
}

extension Request where Reply == Feature {
    /// The features that the daemon offers to this client, or to a domain; the latter needs privileges.
    public static func features(of domain: DomainID? = nil) throws(XenStoreError) -> Self {
        try Self(.getFeature, strings: domain.map { [$0] } ?? []) {
            payload throws(ProtocolViolation) in
            Feature(rawValue: try Replies.number(of: .getFeature, payload))
        }
    }
}

extension Request where Reply == [String] {
    /// The names of the quotas that the daemon knows.
    public static func quotaNames() throws(XenStoreError) -> Self {
        try Self(.getQuota) { Replies.text($0).split(separator: " ").map(String.init) }
    }
}

extension Request where Reply == UInt32 {
    /// The value of a quota for one domain, or, without one, the default. 0 means no limit.
    public static func quota(
        _ name: some WireText, of domain: DomainID? = nil
    ) throws(XenStoreError) -> Self {
        let whose: [any WireText] = domain.map { [$0] } ?? []
        return try Self(.getQuota, strings: whose + [name]) { payload throws(ProtocolViolation) in
            try Replies.number(of: .getQuota, payload)
        }
    }
}
