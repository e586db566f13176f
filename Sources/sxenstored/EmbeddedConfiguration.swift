// SPDX-License-Identifier: Apache-2.0
import Configuration

extension ConfigurationText {
    /// What runs if there is no configuration file: a store for tools on a machine without Xen.
    /// The same as `etc/sxenstored-standalone.yaml`, which a test sees to.
    static let embedded = ConfigurationText(
        """
        transports:
          - unix-socket
          - read-only-socket
        storage: memory
        policies:
          - permissions
          - quotas
        """, name: "embedded default")
}
