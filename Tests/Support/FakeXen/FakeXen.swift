// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A Xen host in a folder: the daemon sees it through the library made of `Tests/FakeXen`, which is loaded before
/// Xen's libraries, and says there how the files are laid out. This is the hypervisor's side.
public final class FakeXen {
    public let folder: TemporaryFolder
    private var lastUniqueID: UInt = 1000
    /// Daemons that have died: what was known of one's event channels is not true of the next one's.
    private(set) var daemonCount = 0

    public init() throws { folder = try .inMemory() }

    /// What the daemon has to be started with.
    public func environment() throws -> [String: String] {
        ["FAKEXEN_DIR": folder.path, "LD_PRELOAD": try FakeXen.library.get()]
    }

    // MARK: Domains

    /// Makes a domain with an empty page. One that has the number is replaced, and nobody is told of its end.
    public func create(_ domain: UInt16) throws {
        remove(domain)
        guard mkdir(path(domain), 0o755) == 0 else { throw Trouble.system("make domain \(domain)") }
        try SharedFile.create(path(domain, "page"), SharedFile.pageSize)
        try FakeEventChannels.create(in: path(domain))
        lastUniqueID += 1
        try set(domain)
    }

    /// Has dom0's kernel make its ring, before any daemon is there. Returns its port.
    public func makeControlRing() throws -> UInt32 {
        let port = try FakeEventChannels(in: path(0)).allocate()
        try folder.write("\(port)", to: "dom0/xsd_port")
        return port
    }

    /// Changes what the hypervisor says of the domain, without telling anybody.
    public func set(_ domain: UInt16, isShutdown: Bool = false, isDead: Bool = false) throws {
        let uniqueID = self.uniqueID(of: domain) ?? lastUniqueID
        let text = "uid=\(uniqueID) caps=0 shutdown=\(isShutdown ? 1 : 0) reason=0 dying=\(isDead ? 2 : 0)\n"
        try folder.write(text, to: "state-\(domain)")
        guard rename(folder.file("state-\(domain)"), path(domain, "state")) == 0 else {
            throw Trouble.system("set the state of domain \(domain)")
        }
    }

    /// Removes the domain from the world, without telling anybody.
    public func remove(_ domain: UInt16) {
        for name in TemporaryFolder.names(in: path(domain)) { unlink(path(domain, name)) }
        rmdir(path(domain))
    }

    /// Tells the daemon that some domain has changed (VIRQ_DOM_EXC).
    public func tellOfDomains() throws {
        let daemon = try daemonsEnd()
        for port in daemon.ports(ofInterrupt: 3) { daemon.raise(port) }
    }

    /// The daemon has looked at all domains since it was told.
    public func daemonHasLooked() throws -> Bool {
        let daemon = try daemonsEnd()
        return daemon.ports(ofInterrupt: 3).allSatisfy(daemon.isQuiet)
    }

    /// The daemon's process is gone: dom0's kernel has closed its ports, and the other ends wait to be bound
    /// again. Events that it had not taken are gone with it.
    public func daemonHasDied() throws {
        daemonCount += 1
        for name in TemporaryFolder.names(in: folder.path) {
            guard name.hasPrefix("dom"), let domain = UInt16(name.dropFirst(3)) else { continue }
            try FakeEventChannels(in: path(domain)).unbindAll()
        }
    }

    private func uniqueID(of domain: UInt16) -> UInt? {
        let words = TemporaryFolder.text(of: path(domain, "state")).split(separator: " ")
        return words.first.flatMap { UInt($0.dropFirst("uid=".count)) }
    }

    // MARK: Files

    func path(_ domain: UInt16, _ name: String = "") -> String { folder.file("dom\(domain)/\(name)") }

    /// The daemon's end of all channels, as it is now: a daemon that starts makes it anew.
    func daemonsEnd() throws -> FakeEventChannels { try FakeEventChannels(in: folder.file("xenstored")) }

    public static let compiler = Preloaded.compiler

    /// The toy hypervisor as a library to preload.
    public static let library = Result { () throws -> String in
        try Preloaded.library(of: "FakeXen", as: "libfakexen.so")
    }
}

/// A file that is mapped, as long as somebody holds it.
final class SharedFile {
    static let pageSize = 4096
    let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(_ path: String, _ byteCount: Int) throws {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw Trouble.system("open \(path)") }
        defer { close(descriptor) }
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else { throw Trouble.system("map \(path)") }
        base = mapped
        self.byteCount = byteCount
    }

    deinit { munmap(base, byteCount) }

    static func create(_ path: String, _ byteCount: Int) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Trouble.system("make \(path)") }
        defer { close(descriptor) }
        guard ftruncate(descriptor, byteCount) == 0 else { throw Trouble.system("make room in \(path)") }
    }
}
