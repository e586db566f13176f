// SPDX-License-Identifier: Apache-2.0
import PluginName
import SXenstored
import XenStorePlugin

let own = PluginRegistry(policies: [PluginName.self])
let daemon = Daemon(plugins: .builtIn + own)
daemon.run()
