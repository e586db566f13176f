// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStorePlugin

extension ConfigurationText {
    /// The configuration that runs if there is no file: that of `etc/sxenstored-standalone.yaml`, and on a Xen host
    /// that of `etc/sxenstored.yaml`, without plugins that are not compiled in. Tests compare both.
    static func builtIn(isXenHost: Bool, registry: PluginRegistry = .builtIn) -> ConfigurationText {
        let servesRings = isXenHost && registry.has("event-channel-ring", .transport)
        return ConfigurationText(
            """
            transports:
              - unix-socket
              - read-only-socket
            \(servesRings ? "  - event-channel-ring" : "")
            \(storage(keepsGuests: servesRings && registry.has("tdb", .storage)))
            policies:
              - permissions
              - quotas
            """, name: isXenHost ? "built-in default for a Xen host" : "built-in default")
    }

    /// Guests outlive the daemon, so their nodes must outlive it. Guests must start even if the file cannot be written.
    private static func storage(keepsGuests: Bool) -> String {
        keepsGuests ? "storage:\n  tdb:\n    when-unwritable: go-on" : "storage: memory"
    }
}

extension PluginRegistry {
    func has(_ name: String, _ kind: PluginKind) -> Bool { plugins(of: kind).contains { $0.name == name } }
}
