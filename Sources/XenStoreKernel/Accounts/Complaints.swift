// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// What the log complains of about a domain.
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

/// When the log has complained of which domain: of one matter once in a while, as guests must not fill it.
struct Complaints {
    /// The monotonic clock as of the last turn.
    var now = Moment.start
    private var last: [UInt32: Moment] = [:]

    /// One matter of one domain is complained of once in so many milliseconds.
    private static let interval: UInt64 = 10_000
    /// Guests come and go; what was said of those long gone need not be remembered.
    private static let most = 4096

    /// Whether it is time to complain of this. If so, the next time is after a while.
    mutating func isDue(_ domain: DomainID, _ matter: Complaint) -> Bool {
        let key = UInt32(domain.rawValue) << 8 | UInt32(matter.number)
        if let last = last[key], now < last.advanced(byMilliseconds: Complaints.interval) { return false }
        if last.count > Complaints.most { last = [:] }
        last[key] = now
        return true
    }
}
