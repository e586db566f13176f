// SPDX-License-Identifier: Apache-2.0
import SXenstored
import TLSView
import XenStorePlugin

let daemon = Daemon(plugins: .builtIn + PluginRegistry(transports: [TLSView.self]))
daemon.run()
