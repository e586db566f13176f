// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

// Requests about domains; all but the first are for privileged clients, such as a toolstack.
extension XenStoreConnection {
    public func getDomainPath(_ domain: DomainID) throws(XenStoreError) -> String {
        try perform(.getDomainPath(domain))
    }

    public func isDomainIntroduced(_ domain: DomainID) throws(XenStoreError) -> Bool {
        try perform(.isDomainIntroduced(domain))
    }

    public func introduce(
        _ domain: DomainID, gfn: UInt64, port: UInt32
    ) throws(XenStoreError) {
        try perform(.introduce(domain, gfn: gfn, port: port))
    }

    public func release(_ domain: DomainID) throws(XenStoreError) { try perform(.release(domain)) }

    public func resume(_ domain: DomainID) throws(XenStoreError) { try perform(.resume(domain)) }

    public func setTarget(_ domain: DomainID, _ target: DomainID) throws(XenStoreError) {
        try perform(.setTarget(domain, target))
    }

    public func features(of domain: DomainID? = nil) throws(XenStoreError) -> Feature {
        try perform(.features(of: domain))
    }

    public func setFeatures(of domain: DomainID, _ features: Feature) throws(XenStoreError) {
        try perform(.setFeatures(of: domain, features))
    }

    public func quotaNames() throws(XenStoreError) -> [String] { try perform(.quotaNames()) }

    public func quota(
        _ name: some WireText, of domain: DomainID? = nil
    ) throws(XenStoreError) -> UInt32 {
        try perform(.quota(name, of: domain))
    }

    public func setQuota(
        _ name: some WireText, of domain: DomainID? = nil, to value: UInt32
    ) throws(XenStoreError) {
        try perform(.setQuota(name, of: domain, to: value))
    }
}
