// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The matters of which the log complains about a domain.
enum Complaint {
    case limit(Resource)
    case brokenProtocol
    case transactionGivenUp
    case eventsDropped

    fileprivate var number: UInt8 {
        switch self {
        case .limit(let resource): resource.rawValue
        case .brokenProtocol: 255
        case .transactionGivenUp: 254
        case .eventsDropped: 253
        }
    }
}

/// When the log has complained about which domain: about one matter only once in a while, as guests must not fill the
/// log.
struct Complaints {
    /// The monotonic clock as of the last turn.
    var now = Moment.start
    private var last: [UInt32: Moment] = [:]

    /// The milliseconds between two complaints about one matter of one domain.
    private static let interval: UInt64 = 10_000
    /// The number of complaints that are remembered. Guests come and go, and old complaints need not be remembered.
    private static let most = 4096

    /// Whether the log may complain about this now. If so, it may not for a while.
    mutating func isDue(_ domain: DomainID, _ matter: Complaint) -> Bool {
        let key = UInt32(domain.rawValue) << 8 | UInt32(matter.number)
        if let last = last[key], now < last.advanced(byMilliseconds: Complaints.interval) { return false }
        if last.count > Complaints.most { last = [:] }
        last[key] = now
        return true
    }
}
