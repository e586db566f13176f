// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension Quotas: Surveying {
    /// Warns of limits that are valid but have no effect.
    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        warnOfSoftLimit(in: configuration, else: configuration, warn)
        for (domain, block) in configuration.domains("domains") {
            if domain == 0 {
                warn(
                    ConfigurationError(
                        "dom0 is exempt from quotas: these limits have no effect", key: block.path, at: block.place))
            }
            warnOfSoftLimit(in: block, else: configuration, warn)
        }
    }

    /// Missing keys of `block` have the values of `general`.
    private func warnOfSoftLimit(
        in block: ConfigurationBlock, else general: ConfigurationBlock, _ warn: (ConfigurationError) -> Void
    ) {
        guard block.number("memory") != nil || block.number("soft-memory") != nil,
            let hard = block.number("memory") ?? general.number("memory"), hard > 0,
            let soft = block.number("soft-memory") ?? general.number("soft-memory"), soft > hard
        else { return }
        let key = block.places["soft-memory"] != nil || block.places["memory"] == nil ? "soft-memory" : "memory"
        warn(block.error("soft-memory, \(soft), is above memory, \(hard): the log will never warn", key: key))
    }
}
