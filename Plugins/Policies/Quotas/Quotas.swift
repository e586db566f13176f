// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

public final class QuotasPolicy: Policy {
    public static let name = "quotas"
    public static let summary = "Limits on what one domain may hold."
    private static let limits: [ConfigurationKey] = [
        ("nodes", 1000), ("watches", 128), ("outstanding", 20), ("memory", 2_621_440), ("soft-memory", 2_097_152),
        ("transactions", 10), ("transaction-nodes", 1024), ("node-permissions", 5), ("path-max", 2048), ("node-size", 2048),
    ].map { ConfigurationKey($0, .number(0...4_294_967_295), default: .number($1), "Limit; 0 means unlimited.") }
    public static let keys = limits + [ConfigurationKey("domains", .perDomain(limits), default: nil, "Limits of single domains.")]
    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
}
