// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension Quotas {
    public static var keys: [ConfigurationKey] {
        let limits = Resource.allCases.map { key(for: $0, default: .number(Int($0.defaultLimit))) }
        let own = Resource.allCases.map { key(for: $0, default: nil) }
        return limits + [
            ConfigurationKey(
                "domains", .perDomain(own), default: nil,
                "Limits of single domains, by domain id; missing keys have the values for all domains.")
        ]
    }

    private static func key(for resource: Resource, default value: ConfigurationValue?) -> ConfigurationKey {
        // Limits at run time have 32 bits, and the largest value means "not set" there.
        ConfigurationKey(
            "\(resource.name)", .number(0...Int(UInt32.max) - 1), default: value, "\(resource.summary).")
    }
}
