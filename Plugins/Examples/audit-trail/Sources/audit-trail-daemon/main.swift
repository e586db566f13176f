// SPDX-License-Identifier: Apache-2.0
import AuditTrail
import SXenstored
import XenStorePlugin

let daemon = Daemon(plugins: .builtIn + PluginRegistry(policies: [AuditTrail.self]))
daemon.run()
