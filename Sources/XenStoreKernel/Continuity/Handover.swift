// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// What an earlier daemon leaves to this one, beside the nodes: introduced domains, the watches and streams of peers
/// that do not notice a restart, and limits that were set at run time.
///
/// Each record is taken out once, by the owner that goes on with it.
final class Handover {
    private var domains: [DomainID: DomainRecord] = [:]
    private var watches: [DomainID: [WatchRecord]] = [:]
    private var streams: [DomainID: StreamRest] = [:]
    private(set) var limits: [LimitSetting] = []

    init(_ records: [Record]) {
        for record in records {
            switch record {
            case .domain(let domain): domains[domain.id] = domain
            case .watch(let watch): watches[watch.domain, default: []].append(watch)
            case .stream(let stream): streams[stream.domain, default: StreamRest()].stream = stream
            case .unsent(let id, let place, let bytes): streams[id, default: StreamRest()].pieces[place] = bytes
            case .limit(let setting): limits.append(setting)
            }
        }
    }

    /// The introduced domains that must be served again, by number.
    func takeDomains() -> [DomainRecord] {
        defer { domains = [:] }
        return domains.values.sorted { $0.id < $1.id }
    }

    /// The watches of a domain's peer, in the order in which they were set.
    func takeWatches(of domain: DomainID) -> [WatchRecord] {
        (watches.removeValue(forKey: domain) ?? []).sorted { $0.serial < $1.serial }
    }

    func takeStream(of domain: DomainID) -> StreamRest? { streams.removeValue(forKey: domain) }

    /// The records of peers that did not return. Storage must forget them.
    var unclaimed: [Record.Key] {
        watches.values.joined().map { .watch($0.serial) }
            + streams.flatMap { id, rest in [.stream(id)] + rest.pieces.keys.map { .unsent(id, at: $0) } }
    }
}

/// What an earlier daemon has left of one peer's streams.
struct StreamRest {
    /// Nil if there are only pieces.
    var stream: StreamRecord?
    /// The bytes that were to send, in pieces, by their places in the stream.
    var pieces: [UInt64: [UInt8]] = [:]

    /// All bytes that were to send when the turn ended.
    var unsent: [UInt8] {
        var bytes: [UInt8] = []
        var place = stream?.sent ?? 0
        for (start, piece) in pieces.sorted(by: { $0.key < $1.key }) {
            // A piece may have been sent in part. No piece is missing between two others.
            guard start <= place, place - start <= UInt64(piece.count) else { continue }
            bytes += piece[Int(place - start)...]
            place = start &+ UInt64(piece.count)
        }
        return bytes
    }
}
