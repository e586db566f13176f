// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import XenStorePlugin
    import XenStoreWire

    /// The glue for one version of Xen: a shared object that is linked to that version's libxenctrl. XenGlue.h has its
    /// table. The hypervisor's own interface changes with each version, and nothing else in the daemon depends on it.
    final class GlueLibrary: DomainSource {
        private let path: String
        private let table: xen_glue
        private let handle: UnsafeMutableRawPointer
        /// Where the glue lists domains.
        private let found = UnsafeMutableBufferPointer<xen_glue_domain>.allocate(capacity: 1024)

        /// Loads the glue, connects to the hypervisor, and checks that it answers.
        ///
        /// - Parameter version: the version of Xen that the glue must be for.
        init(_ path: String, version: String) throws(SystemError) {
            self.path = path
            table = try Self.table(in: path, version)
            guard let handle = table.open() else {
                throw SystemError(
                    errno, doing: "reach the hypervisor through \(path) (libxenctrl of Xen \(version))",
                    advice: XenDomains.noHypervisor)
            }
            self.handle = handle
            found.initialize(repeating: xen_glue_domain())
            guard table.list(handle, 0, 1, found.baseAddress) < 0 else { return }
            let code = errno
            throw SystemError(
                code, doing: "ask the hypervisor for its domains",
                advice: code == EACCES || code == EPERM ? mismatch : nil)
        }

        deinit {
            table.close(handle)
            found.deallocate()
        }

        /// The table, if it is one that this daemon can use.
        private static func table(in path: String, _ version: String) throws(SystemError) -> xen_glue {
            let package = "Debian has that version's libxenctrl in the package libxenmisc\(version)"
            let library = try XenLibrary(path, advice: package)
            let remedy = "build it again with 'make xen-glue' of this daemon's source"
            guard let table = library.address(of: XEN_GLUE_SYMBOL)?.assumingMemoryBound(to: xen_glue.self) else {
                throw SystemError(
                    ELIBBAD, doing: "use \(path)", advice: "it is no glue for a version of Xen; \(remedy)")
            }
            guard table.pointee.abi == XEN_GLUE_ABI, table.pointee.size >= MemoryLayout<xen_glue>.size else {
                throw SystemError(
                    ELIBBAD, doing: "use \(path)",
                    advice:
                        "its table has version \(table.pointee.abi) and \(table.pointee.size) bytes, the daemon wants "
                        + "version \(XEN_GLUE_ABI) and \(MemoryLayout<xen_glue>.size) bytes; \(remedy)")
            }
            let built = table.pointee.version.map { String(cString: $0) } ?? "unknown"
            guard built == version else {
                throw SystemError(
                    ELIBBAD, doing: "use \(path)",
                    advice: "it is for Xen \(built), and the name says \(version); \(remedy)")
            }
            guard table.pointee.open != nil, table.pointee.close != nil, table.pointee.list != nil else {
                throw SystemError(ELIBBAD, doing: "use \(path)", advice: "its table lacks a function; \(remedy)")
            }
            return table.pointee
        }

        var summary: String { path }

        func state(of domain: DomainID) -> DomainState? {
            guard table.list(handle, UInt32(domain.rawValue), 1, found.baseAddress) == 1,
                found[0].domain == domain.rawValue
            else { return nil }
            return DomainState(found[0])
        }

        /// libxenctrl cannot tell what has changed: all domains are listed, many with each call. Nil if that fails.
        func survey() -> DomainSurvey? {
            var states: [(domain: DomainID, state: DomainState)] = []
            var first: UInt32 = 0
            while first <= UInt32(UInt16.max) {
                let count = table.list(handle, first, UInt32(found.count), found.baseAddress)
                guard count >= 0 else { return nil }
                for each in found.prefix(Int(count)) {
                    guard let number = UInt16(exactly: each.domain), let state = DomainState(each) else { continue }
                    states.append((DomainID(number), state))
                }
                guard count == found.count, let last = found.last else { break }
                first = last.domain + 1
            }
            return .all(states)
        }

        func list() -> [(domain: DomainID, state: DomainState)] { survey()?.existing ?? [] }

        private var mismatch: String {
            let running =
                XenVersion.running().map { "the hypervisor is Xen \($0)" } ?? "the hypervisor is of another version"
            return
                "\(path) was built for domctl interface \(table.interface), and \(running): build the glue again with "
                + "'make xen-glue' and that version's libxenctrl"
        }
    }

    extension DomainState {
        fileprivate init?(_ domain: xen_glue_domain) {
            self.init(domain.state, domain.capabilities, domain.unique_id)
        }
    }
#endif
