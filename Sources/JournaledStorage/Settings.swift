// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The operator's settings for a storage, and their keys.
struct Settings {
    var path: String
    /// Every commit waits for the disk.
    var syncs: Bool
    var sizeMax: Int
    var outlivesBoot: Bool
    /// Whether changes that cannot be stored stay in memory. Otherwise the daemon refuses them.
    var keepsUnsaved: Bool
    /// The largest number of stores that stay when they were set aside.
    var setAsideMax: Int

    /// The keys of a storage with this kind of table.
    static func keys<Table: JournaledTable>(of kind: Table.Type) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "path", .path, default: .text("${rundir}/\(Table.name)"),
                "The file. Its journals, its lock and stores that were set aside are beside it."),
            ConfigurationKey("mode", .mode, default: .number(0o600), "Permission bits of the file, in octal."),
            ConfigurationKey(
                "sync", .choice(["none", "commit"]), default: .text("none"),
                "What an acknowledged change survives: none, the daemon's death; commit, also a power cut."),
        ] + Table.keys + [
            ConfigurationKey(
                "size-max", .size(0...Table.sizeMax), default: .number(1 << 30),
                "Size limit of the file plus journals. Above it, only removals work. 0 means \(Table.ownBound)."
            ),
            ConfigurationKey(
                "when-unwritable", .choice(["refuse", "go-on"]), default: .text("refuse"),
                "What to do with changes that cannot be stored: refuse them with EIO, or go on and keep them in memory."
            ),
            ConfigurationKey(
                "set-aside-max", .number(1...1000), default: .number(3),
                "How many stores stay when they were set aside. The daemon removes older ones."),
            ConfigurationKey(
                "outlives-boot", .flag, default: .flag(false),
                "Load a store of an earlier boot, instead of setting it aside; for machines without Xen."
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
