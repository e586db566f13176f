// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// INTRODUCE, RELEASE, RESUME, SET_TARGET, IS_DOMAIN_INTRODUCED, GET_DOMAIN_PATH, GET_FEATURE,
/// SET_FEATURE.
final class DomainRequests {
    private let domains: Domains
    private let scratch: Scratch

    init(domains: Domains, scratch: Scratch) {
        self.domains = domains
        self.scratch = scratch
    }

    /// Without a transport for domains, INTRODUCE gets ENOSYS, after the check of its arguments, as everywhere.
    func introduce(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 3...Limits.payloadMax)
        let id = try Arguments.domainID(strings[0])
        let (port, isPort) = strings[2].leadingNumber
        guard isPort, port > 0, let port = UInt32(exactly: port) else { throw .EINVAL }
        try domains.introduce(id, gfn: strings[1].gfn, port: port)
        return .ok
    }

    /// The guest that a request of the toolstack names: EINVAL for the daemon's own domain, ENOENT for a domain that was
    /// not introduced.
    private func introducedGuest(_ request: RequestContext) throws(WireError) -> DomainID {
        let id = try Arguments.domainID(try Arguments.onlyText(request.payload))
        if id == domains.own { throw .EINVAL }
        if !domains.isIntroduced(id) { throw .ENOENT }
        return id
    }

    func release(_ request: RequestContext) throws(WireError) -> Answer {
        let id = try introducedGuest(request)
        if !domains.canIntroduce { throw .ENOSYS }
        domains.destroy(id)
        return .ok
    }

    func resume(_ request: RequestContext) throws(WireError) -> Answer {
        domains.change(try introducedGuest(request)) { $0.isShutdownSeen = false }
        return .ok
    }

    func setTarget(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 2...Limits.payloadMax)
        let id = try Arguments.domainID(strings[0])
        let target = try Arguments.domainID(strings[1])
        // As in C xenstored, both domains must be introduced. Otherwise a later domain with this number would get the
        // rights.
        guard let domain = domains.known(id), domain.isIntroduced, domains.isIntroduced(target) else {
            throw .ENOENT
        }
        // The domain was introduced, and has broken the protocol since.
        if domains.canIntroduce, domain.session == nil, id != domains.own { throw .EINVAL }
        domains.change(id) { $0.target = target }
        return .ok
    }

    func isIntroduced(_ request: RequestContext) throws(WireError) -> Answer {
        let id = try Arguments.domainID(try Arguments.onlyText(request.payload))
        return Answer(literal: id == .current || domains.isIntroduced(id) ? "T\0" : "F\0")
    }

    func path(_ request: RequestContext) throws(WireError) -> Answer {
        let id = try Arguments.domainID(try Arguments.onlyText(request.payload))
        let end = PathScanner.writeHome(of: id, to: scratch.bytes)
        scratch.bytes[end] = 0
        return try scratch.answer(end + 1)
    }

    // MARK: Features

    func feature(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 0...1)
        guard let text = strings.first else { return try answer(request.session.features) }
        if !request.isPrivileged || !request.session.peer.mayWrite { throw .EACCES }
        return try answer(try known(text).domain.features)
    }

    private func answer(_ features: Feature) throws(WireError) -> Answer {
        try scratch.answer(number: UInt64(features.rawValue))
    }

    func setFeature(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 2...2)
        _ = try Arguments.domainID(strings[0])
        let (bits, isWhole) = strings[1].leadingNumber
        guard isWhole, let bits = UInt32(exactly: bits), Feature(rawValue: bits).isSubset(of: .all) else {
            throw .EINVAL
        }
        let (id, domain) = try known(strings[0])
        // The domain already knows its features.
        if domain.isIntroduced { throw .EBUSY }
        domains.change(id) { $0.features = Feature(rawValue: bits) }
        return .ok
    }

    /// A domain that exists, or ENOENT.
    private func known(_ text: UnsafeRawBufferPointer) throws(WireError) -> (id: DomainID, domain: Domain) {
        let id = try Arguments.domainID(text)
        domains.refresh(id)
        guard let domain = domains.known(id) else { throw .ENOENT }
        return (id, domain)
    }
}
