// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// One thing beside the nodes that outlives the daemon. Storage keeps records as notes through a restart. A live update
/// and a migration will hand over the same records.
///
/// The kernel deals only with records. Bytes exist only at the border: ``Notes`` writes them, and ``Handover`` gets
/// records from them.
enum Record {
    case domain(DomainRecord)
    case watch(WatchRecord)
    case stream(StreamRecord)
    /// Bytes that wait to be sent to a domain's peer, by their place in the stream.
    case unsent(DomainID, at: UInt64, [UInt8])
    case limit(LimitSetting)

    /// Distinguishes a record from all others. A record replaces an earlier one with the same key.
    enum Key: Hashable {
        case domain(DomainID)
        /// By the watch's serial.
        case watch(UInt64)
        case stream(DomainID)
        case unsent(DomainID, at: UInt64)
        /// The limit of one domain, or of all.
        case limit(Resource, DomainID?)
    }

    var key: Key {
        switch self {
        case .domain(let domain): .domain(domain.id)
        case .watch(let watch): .watch(watch.serial)
        case .stream(let stream): .stream(stream.domain)
        case .unsent(let domain, let place, _): .unsent(domain, at: place)
        case .limit(let setting): .limit(setting.resource, setting.domain)
        }
    }
}

/// A domain that was introduced.
struct DomainRecord: Equatable {
    var id: DomainID
    /// The hypervisor's own name for it.
    var uniqueID: UInt64
    /// The gfn of its ring, and its port of the event channel, as INTRODUCE said.
    var gfn: UInt64
    var port: UInt32
    var features: Feature
    var target: DomainID?
    var isShutdownSeen: Bool
}

/// A watch of a peer that does not notice a restart.
struct WatchRecord: Equatable {
    var serial: UInt64
    var domain: DomainID
    var depth: Int?
    var hiddenPrefix: Int
    var path: [UInt8]
    var token: [UInt8]
}

/// The streams of a peer that does not notice a restart, as they were at the end of a turn, before anything of that
/// turn was sent.
struct StreamRecord: Equatable {
    var domain: DomainID
    var indexes: StreamIndexes
    /// The number of bytes that were sent.
    var sent: UInt64
    var lastTransaction: UInt32
    /// The open transactions. Their changes are lost with the daemon.
    var transactions: [UInt32]
    /// Bytes that were taken and not handled: a part of a message, or messages that had to wait.
    var inbox: [UInt8]
}
