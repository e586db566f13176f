// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

extension Quotas {
    public static var keys: [ConfigurationKey] {
        let limits = Resource.allCases.map { key(for: $0, default: .number(Int($0.defaultLimit))) }
        let own = Resource.allCases.map { key(for: $0, default: nil) }
        return limits + [
            ConfigurationKey(
                "domains", .perDomain(own), default: nil,
                "Limits of single domains, by domain id; what is not given is as for all.")
        ]
    }

    private static func key(for resource: Resource, default value: ConfigurationValue?) -> ConfigurationKey {
        // What can be set at run time is 32 bits wide, and its largest value means "not set" there.
        ConfigurationKey(
            "\(resource.name)", .number(0...Int(UInt32.max) - 1), default: value, "\(resource.summary).")
    }
}
