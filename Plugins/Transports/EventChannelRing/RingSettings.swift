// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStoreKernel

    /// What the operator decides about rings, and the keys it is decided with.
    struct RingSettings {
        /// Guests' pages are mapped as foreign memory, not by their grants.
        var mapsForeign: Bool
        var portFile: String
        var pageFile: String
        var backendDevice: String

        var indexFile: String

        static let keys = [
            ConfigurationKey(
                "map", .choice(["grant", "foreign"]), default: .text("grant"),
                "How a guest's ring is mapped: by the guest's own grant, or as foreign memory by its frame number."),
            ConfigurationKey(
                "xsd-port", .device, default: .text("/proc/xen/xsd_port"),
                "File in which dom0's kernel shows the event channel of its own ring."),
            ConfigurationKey(
                "xsd-kva", .device, default: .text("/proc/xen/xsd_kva"),
                "File through which dom0's kernel lets its own ring be mapped."),
            ConfigurationKey(
                "backend-device", .device, default: .text("/dev/xen/xenbus_backend"),
                "Device that is asked for both when those files are not there."),
            ConfigurationKey(
                "index-file", .path, default: .text("${rundir}/rings"),
                "File in which a daemon that is killed leaves how far it got in each ring; in memory, as /run is.",
                isDispensable: true),
        ]

        init(_ block: ConfigurationBlock) {
            mapsForeign = block.text("map") == "foreign"
            portFile = block.text("xsd-port") ?? ""
            pageFile = block.text("xsd-kva") ?? ""
            backendDevice = block.text("backend-device") ?? ""
            indexFile = block.text("index-file") ?? ""
        }
    }
#endif
