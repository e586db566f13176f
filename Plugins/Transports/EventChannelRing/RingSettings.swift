// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStorePlugin
    import XenStoreWire

    /// The operator's settings for rings, and their keys.
    struct RingSettings {
        /// Whether to map guests' pages as foreign memory instead of by their grants.
        var mapsForeign: Bool
        var portFile: String
        var pageFile: String
        var backendDevice: String
        var indexFile: String
        /// Nil for the folder beside the daemon's own.
        var glueFolder: String?
        /// Whether to serve all domains that are older than the daemon, and not only the privileged one.
        var introducesAll: Bool
        /// The daemon's own domain and the privileged one, if the operator names them.
        var own: DomainID?
        var privileged: DomainID?

        private static let domains = 0...0x7fef

        static let keys = [
            ConfigurationKey(
                "map", .choice(["grant", "foreign"]), default: .text("grant"),
                "How to map a guest's ring: by the guest's own grant, or as foreign memory by its gfn."),
            ConfigurationKey(
                "xsd-port", .device, default: .text("/proc/xen/xsd_port"),
                "The file in which dom0's kernel shows the event channel of its own ring."),
            ConfigurationKey(
                "xsd-kva", .device, default: .text("/proc/xen/xsd_kva"),
                "The file through which the daemon maps the ring of dom0's kernel."),
            ConfigurationKey(
                "backend-device", .device, default: .text("/dev/xen/xenbus_backend"),
                "The device that shows both if those files do not exist."),
            ConfigurationKey(
                "index-file", .path, default: .text("${rundir}/rings"),
                "The file for the position in each ring, for the next daemon after a kill; best in memory, as /run is.",
                isDispensable: true),
            ConfigurationKey(
                "glue-folder", .device, default: nil,
                "The folder with the glue for each Xen before 4.21; by default ../lib/sxenstored/xen beside the daemon's."
            ),
            ConfigurationKey(
                "introduce", .choice(["all", "dom0"]), default: .text("dom0"),
                "The domains older than the daemon that it serves without INTRODUCE: all, or only those with all rights."
            ),
            ConfigurationKey(
                "master-domid", .number(domains), default: nil,
                "The domain in which the daemon runs; by default the hypervisor says it."),
            ConfigurationKey(
                "priv-domid", .number(domains), default: nil,
                "The domain whose kernel has all rights; by default the hypervisor says it."),
        ]

        init(_ block: ConfigurationBlock) throws(ConfigurationError) {
            mapsForeign = block.text("map") == "foreign"
            portFile = block.text("xsd-port") ?? ""
            pageFile = block.text("xsd-kva") ?? ""
            backendDevice = block.text("backend-device") ?? ""
            indexFile = block.text("index-file") ?? ""
            glueFolder = block.text("glue-folder")
            introducesAll = block.text("introduce") == "all"
            own = block.number("master-domid").map { DomainID(UInt16($0)) }
            privileged = block.number("priv-domid").map { DomainID(UInt16($0)) }
            if introducesAll, mapsForeign {
                throw ConfigurationError(
                    "'all' needs 'map: grant', as nobody tells the gfn of a domain that is older than the daemon",
                    key: "\(block.path).introduce", at: block.places["introduce"] ?? block.place)
            }
        }
    }
#endif
