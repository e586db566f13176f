// SPDX-License-Identifier: Apache-2.0
import SXenstored
import XenStorePlugin

let daemon = Daemon(plugins: .builtIn + PluginRegistry(transports: [GuestSocket.self]))
daemon.run()
