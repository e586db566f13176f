// SPDX-License-Identifier: Apache-2.0
import SXenstored
import XenStorePlugin

let own = PluginRegistry(transports: [GuestSocket.self, CounterLog.self], policies: [AuditTrail.self])
let daemon = Daemon(plugins: .builtIn + own)
daemon.run()
