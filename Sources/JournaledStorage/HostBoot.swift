// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The boot of the host that is running now: a store of another boot is about domains that are gone.
enum HostBoot {
    static var id: String {
        let text = (try? WholeFile.readText("/proc/sys/kernel/random/boot_id")) ?? ""
        return String(text.prefix { !$0.isWhitespace })
    }
}
