// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// What the operator decides, and the keys it is decided with.
struct Settings {
    var path: String
    /// Every commit waits for the disk.
    var syncs: Bool
    var sizeMax: Int
    var outlivesBoot: Bool
    /// What cannot be stored is kept in memory, instead of being refused.
    var keepsUnsaved: Bool
    /// Stores that were set aside are kept up to this number.
    var setAsideMax: Int

    /// Keys of a storage with this kind of table.
    static func keys<Table: JournaledTable>(of kind: Table.Type) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "path", .path, default: .text("${rundir}/\(Table.name)"),
                "The file; its journals, a lock and what was set aside stand beside it under longer names."),
            ConfigurationKey("mode", .mode, default: .number(0o600), "Permission bits of the file, in octal."),
            ConfigurationKey(
                "sync", .choice(["none", "commit"]), default: .text("none"),
                "What changes survive before they are acknowledged: none, the daemon's death; commit, the host's too."),
        ] + Table.keys + [
            ConfigurationKey(
                "size-max", .number(0...Table.sizeMax), default: .number(1_073_741_824),
                "Bytes of the file and its journals from which on changes that remove nothing are refused; 0: \(Table.ownBound)."
            ),
            ConfigurationKey(
                "when-unwritable", .choice(["refuse", "go-on"]), default: .text("refuse"),
                "Changes that cannot be stored, as on a full disk: refuse them with EIO, or go on with them in memory only."
            ),
            ConfigurationKey(
                "set-aside-max", .number(1...1000), default: .number(3),
                "Stores that were set aside beside the file and are kept, the newest ones."),
            ConfigurationKey(
                "outlives-boot", .flag, default: .flag(false),
                "Load what was stored before the host was rebooted, instead of setting it aside; for machines without Xen."
            ),
        ]
    }

    init(_ block: ConfigurationBlock) {
        path = block.text("path") ?? ""
        syncs = block.text("sync") == "commit"
        sizeMax = block.number("size-max") ?? 0
        keepsUnsaved = block.text("when-unwritable") == "go-on"
        setAsideMax = block.number("set-aside-max") ?? 3
        outlivesBoot = block.flag("outlives-boot")
    }
}
