// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// INTRODUCE, RELEASE, RESUME, SET_TARGET, IS_DOMAIN_INTRODUCED, GET_DOMAIN_PATH, GET_FEATURE,
/// SET_FEATURE.
extension Machine {
    /// Without a transport for domains there is nothing to introduce a domain to: ENOSYS, after the
    /// arguments were looked at, as everywhere.
    mutating func introduce(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 3...Limits.payloadMax)
        let id = try domainID(arguments[0])
        let (port, isPort) = arguments[2].leadingNumber
        guard isPort, port > 0, let port = UInt32(exactly: port) else { throw .EINVAL }
        guard let domainTransport else { throw .ENOSYS }
        try introduce(id, frame: arguments[1].frameNumber, port: port, by: domainTransport)
        return .ok
    }

    /// The guest that a request of the toolstack is about: EINVAL for dom0 itself, ENOENT for one
    /// that was not introduced.
    private func introducedGuest(_ request: Request) throws(WireError) -> DomainID {
        let id = try domainID(try onlyText(request))
        if id == .control { throw .EINVAL }
        guard let domain = domains[id], domain.isIntroduced else { throw .ENOENT }
        return id
    }

    mutating func release(_ request: Request) throws(WireError) -> Answer {
        let id = try introducedGuest(request)
        if domainTransport == nil { throw .ENOSYS }
        destroy(id)
        return .ok
    }

    mutating func resume(_ request: Request) throws(WireError) -> Answer {
        let id = try introducedGuest(request)
        domains[id]?.isShutdownSeen = false
        note(id)
        return .ok
    }

    mutating func setTarget(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 2...Limits.payloadMax)
        let id = try domainID(arguments[0])
        let target = try domainID(arguments[1])
        // As C xenstored: rights are given between domains that are served, or a number whose domain is yet
        // to come would have them.
        guard let domain = domains[id], domain.isIntroduced, domains[target]?.isIntroduced == true else {
            throw .ENOENT
        }
        // It was introduced, and has broken the protocol since.
        if domainTransport != nil, domain.session == nil, id != .control { throw .EINVAL }
        domains[id]?.target = target
        note(id)
        return .ok
    }

    func isDomainIntroduced(_ request: Request) throws(WireError) -> Answer {
        let id = try domainID(try onlyText(request))
        let isIntroduced = id == .current || domains[id]?.isIntroduced == true
        return try reply(UnsafeRawBufferPointer(isIntroduced ? "T\0" : "F\0"))
    }

    func getDomainPath(_ request: Request) throws(WireError) -> Answer {
        let id = try domainID(try onlyText(request))
        let end = PathScanner.writeHome(of: id, to: scratch)
        scratch[end] = 0
        return try reply(scratch: end + 1)
    }

    mutating func getFeature(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 0...1)
        guard let text = arguments.first else { return try reply(request.session.features) }
        if !request.isPrivileged || !request.session.peer.mayWrite { throw .EACCES }
        let id = try domainID(text)
        refresh(id)
        guard let domain = domains[id] else { throw .ENOENT }
        return try reply(domain.features)
    }

    private func reply(_ features: Feature) throws(WireError) -> Answer {
        try reply(number: UInt64(features.rawValue))
    }

    mutating func setFeature(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 2...2)
        let id = try domainID(arguments[0])
        let (bits, isWhole) = arguments[1].leadingNumber
        guard isWhole, let bits = UInt32(exactly: bits), Feature(rawValue: bits).isSubset(of: .all) else {
            throw .EINVAL
        }
        refresh(id)
        guard let domain = domains[id] else { throw .ENOENT }
        // The domain has been told what it may use.
        if domain.isIntroduced { throw .EBUSY }
        domains[id]?.features = Feature(rawValue: bits)
        return .ok
    }
}
