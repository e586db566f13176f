// SPDX-License-Identifier: Apache-2.0
import SXenstored

Daemon(plugins: .builtIn).run()
