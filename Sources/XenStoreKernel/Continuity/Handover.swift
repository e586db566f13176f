// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a daemon that was killed leaves to the next one, beside the nodes: introduced domains, the
/// watches and the streams of peers that do not notice a restart, and limits that were set at run time.
///
/// Notes that storage could not take wait for it to work again; watches are no reason to refuse a
/// guest its service.
struct Handover {
    /// Introduced domains that are to be served again.
    var domains: [DomainID: DomainNote] = [:]
    /// Watches by the domain whose peer is to come back.
    var watches: [DomainID: [WatchNote]] = [:]
    /// Streams by the domain whose peer is to come back.
    var streams: [DomainID: StreamNote] = [:]
    var limits: [LimitSetting] = []

    init(_ notes: [[UInt8]: [UInt8]]) {
        for (key, value) in notes {
            let name = String(decoding: key, as: UTF8.self).split(separator: "/")
            var reader = NoteReader(value)
            switch (name.first, name.count) {
            case ("domain", 2):
                guard let id = UInt16(name[1]), let note = DomainNote(&reader) else { continue }
                domains[DomainID(id)] = note
            case ("watch", 2):
                guard let serial = UInt64(name[1]), let note = WatchNote(serial: serial, &reader) else { continue }
                watches[note.domain, default: []].append(note)
            case ("stream", 2):
                guard let id = UInt16(name[1]) else { continue }
                streams[DomainID(id), default: StreamNote()].read(&reader)
            case ("unsent", 3):
                guard let id = UInt16(name[1]), let position = UInt64(name[2]) else { continue }
                streams[DomainID(id), default: StreamNote()].pieces[position] = value
            case ("limit", 3):
                guard let setting = LimitSetting(domain: name[1], resource: name[2], &reader) else { continue }
                limits.append(setting)
            default: continue
            }
        }
    }
}

struct DomainNote {
    var uniqueID: UInt64
    var frame: UInt64
    var port: UInt32
    var features: Feature
    var target: DomainID?
    var isShutdownSeen: Bool

    init(_ domain: Domain) {
        uniqueID = domain.uniqueID
        frame = domain.frame
        port = domain.port
        features = domain.features
        target = domain.target
        isShutdownSeen = domain.isShutdownSeen
    }

    init?(_ reader: inout NoteReader) {
        guard let uniqueID = reader.number(), let frame = reader.number(), let port = reader.number(),
            let features = reader.number(), let target = reader.number(), let seen = reader.number()
        else { return nil }
        self.uniqueID = uniqueID
        self.frame = frame
        self.port = UInt32(truncatingIfNeeded: port)
        self.features = Feature(rawValue: UInt32(truncatingIfNeeded: features))
        self.target = UInt16(exactly: target).map { DomainID($0) }
        isShutdownSeen = seen != 0
    }

    var bytes: [UInt8] {
        let target = target.map { UInt64($0.rawValue) } ?? .max
        return [uniqueID, frame, UInt64(port), UInt64(features.rawValue), target, isShutdownSeen ? 1 : 0]
            .flatMap(\.noteBytes)
    }
}

struct WatchNote {
    var serial: UInt64
    var domain: DomainID
    var depth: Int?
    var hiddenPrefix: Int
    var path: [UInt8]
    var token: [UInt8]

    init(_ watch: Watch, of domain: DomainID) {
        serial = watch.serial
        self.domain = domain
        depth = watch.depth
        hiddenPrefix = watch.hiddenPrefix
        path = watch.path
        token = watch.token
    }

    init?(serial: UInt64, _ reader: inout NoteReader) {
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

    var bytes: [UInt8] {
        let depth = depth.map { UInt64($0) } ?? .max
        return [UInt64(domain.rawValue), depth, UInt64(hiddenPrefix), UInt64(path.count)].flatMap(\.noteBytes)
            + path + token
    }
}

extension LimitSetting {
    init?(domain: Substring, resource: Substring, _ reader: inout NoteReader) {
        guard let resource = Resource.allCases.first(where: { "\($0.name)" == resource }),
            let limit = reader.number().flatMap(UInt32.init(exactly:)), let configured = reader.number(),
            domain == "all" || UInt16(domain) != nil
        else { return nil }
        self.init(
            limit: limit, resource: resource, domain: UInt16(domain).map { DomainID($0) }, configured: configured)
    }
}

/// Reads a note, which comes from a file and may be anything.
struct NoteReader {
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
    /// Eight bytes, the lowest first, whatever the machine.
    var noteBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) } }
}
