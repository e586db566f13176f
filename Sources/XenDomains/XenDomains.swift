// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStorePlugin
    import XenStoreWire

    /// A library that knows the domains of this host.
    protocol DomainSource: Hypervisor {
        /// Its file, for the log.
        var summary: String { get }
        /// All domains. To be called once, after VIRQ_DOM_EXC is bound and before the first survey.
        func list() -> [(domain: DomainID, state: DomainState)]
    }

    /// The domains of this host, according to libxenmanage, or to the glue for an older Xen.
    public final class XenDomains: Hypervisor {
        private let folder: GlueFolder
        private var source: (any DomainSource)?

        static let noHypervisor = "on a Xen host there is /dev/xen/privcmd; elsewhere leave out event-channel-ring"

        /// - Parameter glueFolder: the folder with the glue for each version of Xen; nil for the one that `make install`
        ///   makes.
        public init(glueFolder: String? = nil) { folder = GlueFolder(glueFolder) }

        /// Connects to the hypervisor, and checks that it answers.
        public func open() throws(SystemError) {
            do throws(SystemError) {
                source = try ManageLibrary()
            } catch {
                do throws(SystemError) { source = try folder.load() } catch let other {
                    throw XenVersion.hasManageLibrary ? error : other
                }
            }
        }

        public func close() { source = nil }

        /// The file of the library, for the log.
        public var library: String { source?.summary ?? "no library" }

        public func state(of domain: DomainID) -> DomainState? { source?.state(of: domain) }

        /// All domains that exist. To be called once, after VIRQ_DOM_EXC is bound and before the first survey.
        public func list() -> [(domain: DomainID, state: DomainState)] { source?.list() ?? [] }

        public func survey() -> DomainSurvey? { source?.survey() }
    }

    extension DomainState {
        /// From the bits of libxenmanage, which are also those of the glue. Nil if the domain does not exist.
        init?(_ state: UInt32, _ capabilities: UInt32, _ uniqueID: UInt64) {
            if state & 1 == 0 { return nil }
            self.init(
                uniqueID: uniqueID, isShutdown: state & 2 != 0, isDead: state & 8 != 0,
                capabilities: DomainCapabilities(rawValue: capabilities))
        }
    }
#endif
