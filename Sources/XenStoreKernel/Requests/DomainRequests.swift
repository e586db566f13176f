// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// INTRODUCE, RELEASE, RESUME, SET_TARGET, IS_DOMAIN_INTRODUCED, GET_DOMAIN_PATH, GET_FEATURE,
/// SET_FEATURE.
extension Kernel {
    /// Without a transport for domains there is nothing to introduce a domain to: ENOSYS, after the
    /// arguments were looked at, as everywhere.
    func introduce(_ request: Request) throws(WireError) {
        let arguments = try strings(request, 3...Limits.payloadMax)
        _ = try domainID(arguments[0])
        let (_, isNumber) = arguments[1].leadingNumber
        let (port, isPort) = arguments[2].leadingNumber
        guard isNumber, !arguments[1].isEmpty, isPort, (1...Int(UInt32.max)).contains(port) else {
            throw .EINVAL
        }
        throw .ENOSYS
    }

    /// The guest that a request of the toolstack is about: EINVAL for dom0 itself, ENOENT for one
    /// that was not introduced.
    private func introducedGuest(_ text: UnsafeRawBufferPointer) throws(WireError) -> DomainID {
        let id = try domainID(text)
        if id == .control { throw .EINVAL }
        guard let domain = domains[id], domain.isIntroduced else { throw .ENOENT }
        return id
    }

    func release(_ request: Request) throws(WireError) {
        _ = try introducedGuest(try onlyText(request))
        throw .ENOSYS
    }

    func resume(_ request: Request) throws(WireError) {
        _ = try introducedGuest(try onlyText(request))
        replyOK(request)
    }

    func setTarget(_ request: Request) throws(WireError) {
        let arguments = try strings(request, 2...Limits.payloadMax)
        let id = try domainID(arguments[0])
        let target = try domainID(arguments[1])
        guard domains[id] != nil, domains[target] != nil else { throw .ENOENT }
        domains[id]?.target = target
        replyOK(request)
    }

    func isDomainIntroduced(_ request: Request) throws(WireError) {
        let id = try domainID(try onlyText(request))
        let isIntroduced = id == .current || domains[id]?.isIntroduced == true
        try reply(request, UnsafeRawBufferPointer(isIntroduced ? "T\0" : "F\0"))
    }

    func getDomainPath(_ request: Request) throws(WireError) {
        let id = try domainID(try onlyText(request))
        let end = PathScanner.writeHome(of: id, to: scratch)
        scratch[end] = 0
        try reply(request, UnsafeRawBufferPointer(rebasing: scratch[...end]))
    }

    func getFeature(_ request: Request) throws(WireError) {
        let arguments = try strings(request, 0...1)
        guard let text = arguments.first else { return try reply(request, number: request.session.features) }
        if !request.isPrivileged || !request.session.peer.mayWrite { throw .EACCES }
        guard let domain = domains[try domainID(text)] else { throw .ENOENT }
        try reply(request, number: domain.features)
    }

    private func reply(_ request: Request, number features: Feature) throws(WireError) {
        let end = scratch.writeDecimal(UInt64(features.rawValue))
        scratch[end] = 0
        try reply(request, UnsafeRawBufferPointer(rebasing: scratch[...end]))
    }

    func setFeature(_ request: Request) throws(WireError) {
        let arguments = try strings(request, 2...2)
        let id = try domainID(arguments[0])
        let (bits, isWhole) = arguments[1].leadingNumber
        guard isWhole, let bits = UInt32(exactly: bits), Feature(rawValue: bits).isSubset(of: .all) else {
            throw .EINVAL
        }
        guard let domain = domains[id] else { throw .ENOENT }
        // The domain has been told what it may use.
        if domain.isIntroduced { throw .EBUSY }
        domains[id]?.features = Feature(rawValue: bits)
        replyOK(request)
    }
}
