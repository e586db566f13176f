// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

public final class PermissionsPolicy: Policy {
    public static let name = "permissions"
    public static let summary = "Access by a node's permission list."
    public static let keys: [ConfigurationKey] = []
    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
}
