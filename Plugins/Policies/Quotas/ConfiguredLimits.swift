// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Names a limit: of one resource, for all domains or for one.
struct LimitKey: Hashable, Comparable, CustomStringConvertible {
    var domain: DomainID?
    var resource: Resource

    private var order: (Int, UInt8) { (domain.map { Int($0.rawValue) } ?? -1, resource.rawValue) }
    static func < (a: LimitKey, b: LimitKey) -> Bool { a.order < b.order }
    var description: String { "\(resource.name)" + (domain.map { " of domain \($0.rawValue)" } ?? "") }
}

/// The limits in a configuration.
struct ConfiguredLimits {
    /// The limits for all domains, by resource.
    private(set) var global: [UInt32]
    private(set) var own: [DomainID: [Resource: UInt32]] = [:]
    /// The resources whose global limit is in the file.
    private let given: Set<Resource>

    init(_ block: ConfigurationBlock) throws(ConfigurationError) {
        global = Resource.allCases.map { UInt32(clamping: block.number("\($0.name)") ?? Int($0.defaultLimit)) }
        given = Set(Resource.allCases.filter { block.places["\($0.name)"] != nil })
        for (number, limits) in block.domains("domains") {
            guard let number = UInt16(exactly: number) else {
                throw ConfigurationError("\(number) is no domain id", key: "domains", at: limits.place)
            }
            for resource in Resource.allCases {
                guard let limit = limits.number("\(resource.name)") else { continue }
                own[DomainID(number), default: [:]][resource] = UInt32(clamping: limit)
            }
        }
    }

    /// The limit that holds by the configuration alone.
    func limit(of key: LimitKey) -> UInt32 {
        key.domain.flatMap { own[$0]?[key.resource] } ?? global[Int(key.resource.rawValue)]
    }

    /// A number that changes if the configuration says something else about exactly this limit.
    func mark(of key: LimitKey) -> UInt64 {
        if let domain = key.domain { return own[domain]?[key.resource].map { UInt64($0) } ?? .max }
        let isGiven: UInt64 = given.contains(key.resource) ? 1 << 32 : 0
        return UInt64(global[Int(key.resource.rawValue)]) | isGiven
    }
}
