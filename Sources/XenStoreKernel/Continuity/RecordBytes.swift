// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Records as the bytes that a storage keeps under a key: short text, then numbers of eight bytes, the lowest first.
extension Record.Key {
    var bytes: [UInt8] {
        switch self {
        case .domain(let id): Array("domain/\(id.rawValue)".utf8)
        case .watch(let serial): Array("watch/\(serial)".utf8)
        case .stream(let id): Array("stream/\(id.rawValue)".utf8)
        case .unsent(let id, let place): Array("unsent/\(id.rawValue)/\(place)".utf8)
        case .limit(let resource, let id):
            Array("limit/\(id.map { "\($0.rawValue)" } ?? "all")/\(resource.name)".utf8)
        }
    }

    init?(_ bytes: [UInt8]) {
        let words = String(decoding: bytes, as: UTF8.self).split(separator: "/")
        switch (words.first, words.count) {
        case ("domain", 2):
            guard let id = UInt16(words[1]) else { return nil }
            self = .domain(DomainID(id))
        case ("watch", 2):
            guard let serial = UInt64(words[1]) else { return nil }
            self = .watch(serial)
        case ("stream", 2):
            guard let id = UInt16(words[1]) else { return nil }
            self = .stream(DomainID(id))
        case ("unsent", 3):
            guard let id = UInt16(words[1]), let place = UInt64(words[2]) else { return nil }
            self = .unsent(DomainID(id), at: place)
        case ("limit", 3):
            let domain = UInt16(words[1]).map { DomainID($0) }
            guard let resource = Resource.allCases.first(where: { "\($0.name)" == words[2] }),
                domain != nil || words[1] == "all"
            else { return nil }
            self = .limit(resource, domain)
        default: return nil
        }
    }
}

extension Record {
    var bytes: [UInt8] {
        switch self {
        case .domain(let domain): domain.bytes
        case .watch(let watch): watch.bytes
        case .stream(let stream): stream.bytes
        case .unsent(_, _, let bytes): bytes
        case .limit(let setting): [UInt64(setting.limit), setting.configured].flatMap(\.recordBytes)
        }
    }

    /// Reads a record. It comes from a file and may be anything. Nil if it is not a record.
    init?(_ key: Key, _ bytes: [UInt8]) {
        var reader = RecordReader(bytes)
        let record: Record? =
            switch key {
            case .domain(let id): DomainRecord(id, &reader).map { .domain($0) }
            case .watch(let serial): WatchRecord(serial, &reader).map { .watch($0) }
            case .stream(let id): StreamRecord(id, &reader).map { .stream($0) }
            case .unsent(let id, let place): .unsent(id, at: place, bytes)
            case .limit(let resource, let id): LimitSetting(resource, id, &reader).map { .limit($0) }
            }
        guard let record else { return nil }
        self = record
    }
}

extension DomainRecord {
    fileprivate init?(_ id: DomainID, _ reader: inout RecordReader) {
        guard let uniqueID = reader.number(), let gfn = reader.number(), let port = reader.number(),
            let features = reader.number(), let target = reader.number(), let seen = reader.number()
        else { return nil }
        self.id = id
        self.uniqueID = uniqueID
        self.gfn = gfn
        self.port = UInt32(truncatingIfNeeded: port)
        self.features = Feature(rawValue: UInt32(truncatingIfNeeded: features))
        self.target = UInt16(exactly: target).map { DomainID($0) }
        isShutdownSeen = seen != 0
    }

    fileprivate var bytes: [UInt8] {
        let target = target.map { UInt64($0.rawValue) } ?? .max
        return [uniqueID, gfn, UInt64(port), UInt64(features.rawValue), target, isShutdownSeen ? 1 : 0]
            .flatMap(\.recordBytes)
    }
}

extension WatchRecord {
    fileprivate init?(_ serial: UInt64, _ reader: inout RecordReader) {
        guard let domain = reader.number().flatMap(UInt16.init(exactly:)), let depth = reader.number(),
            let hidden = reader.number(), let length = reader.number(), let path = reader.bytes(length),
            hidden <= path.count
        else { return nil }
        self.serial = serial
        self.domain = DomainID(domain)
        self.depth = Int(exactly: depth)
        hiddenPrefix = Int(hidden)
        self.path = path
        token = reader.rest
    }

    fileprivate var bytes: [UInt8] {
        let depth = depth.map { UInt64($0) } ?? .max
        return [UInt64(domain.rawValue), depth, UInt64(hiddenPrefix), UInt64(path.count)].flatMap(\.recordBytes)
            + path + token
    }
}

extension StreamRecord {
    fileprivate init?(_ domain: DomainID, _ reader: inout RecordReader) {
        guard let taken = reader.number(), let put = reader.number(), let sent = reader.number(),
            let last = reader.number(), let count = reader.number(), count <= reader.rest.count / 8
        else { return nil }
        self.domain = domain
        indexes = StreamIndexes(taken: UInt32(truncatingIfNeeded: taken), put: UInt32(truncatingIfNeeded: put))
        self.sent = sent
        lastTransaction = UInt32(truncatingIfNeeded: last)
        transactions = (0..<count).compactMap { _ in reader.number().map { UInt32(truncatingIfNeeded: $0) } }
        inbox = reader.rest
    }

    fileprivate var bytes: [UInt8] {
        let numbers =
            [UInt64(indexes.taken), UInt64(indexes.put), sent, UInt64(lastTransaction)]
            + [UInt64(transactions.count)] + transactions.map { UInt64($0) }
        return numbers.flatMap(\.recordBytes) + inbox
    }
}

extension LimitSetting {
    fileprivate init?(_ resource: Resource, _ domain: DomainID?, _ reader: inout RecordReader) {
        guard let limit = reader.number().flatMap(UInt32.init(exactly:)), let configured = reader.number()
        else { return nil }
        self.init(limit: limit, resource: resource, domain: domain, configured: configured)
    }
}

/// Reads the parts of a record.
private struct RecordReader {
    private(set) var rest: [UInt8]

    init(_ bytes: [UInt8]) { rest = bytes }

    mutating func number() -> UInt64? {
        bytes(8).map { $0.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    }

    mutating func bytes(_ count: UInt64) -> [UInt8]? {
        guard count <= rest.count else { return nil }
        defer { rest.removeFirst(Int(count)) }
        return Array(rest.prefix(Int(count)))
    }
}

extension UInt64 {
    /// Eight bytes, the lowest first, on every machine.
    fileprivate var recordBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) } }
}
