// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The current boot of the host. A store of another boot describes domains that are gone.
enum HostBoot {
    static var id: String {
        let text = (try? WholeFile.readText("/proc/sys/kernel/random/boot_id")) ?? ""
        return String(text.prefix { !$0.isWhitespace })
    }
}
