// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The hypervisor's side of a Xen host in a folder. The library in `Tests/FakeXen` is loaded into the daemon before
/// Xen's libraries, so the daemon sees this host. fakexen.h there describes the files.
public final class FakeXen {
    public let folder: TemporaryFolder
    private var lastUniqueID: UInt = 1000
    /// The number of daemons that have died. A new daemon has new event channels.
    private(set) var daemonCount = 0

    /// The domain in which the daemon runs.
    public let local: UInt16

    public init(local: UInt16 = 0) throws {
        self.local = local
        folder = try .inMemory()
    }

    /// The environment for the daemon.
    public func environment() throws -> [String: String] {
        try FakeXen.glue.get()
        return [
            "FAKEXEN_DIR": folder.path, "FAKEXEN_LOCAL": "\(local)", "LD_PRELOAD": try FakeXen.library.get(),
        ]
    }

    // MARK: Domains

    /// Makes a domain with an empty page. Replaces a domain with the same number, and tells nobody.
    public func create(_ domain: UInt16, capabilities: UInt32 = 0) throws {
        remove(domain)
        guard mkdir(path(domain), 0o755) == 0 else { throw Trouble.system("make domain \(domain)") }
        try SharedFile.create(path(domain, "page"), SharedFile.pageSize)
        try FakeEventChannels.create(in: path(domain))
        lastUniqueID += 1
        try states.write(
            domain, FakeDomainStates.State(uniqueID: UInt64(lastUniqueID), capabilities: capabilities))
    }

    /// Makes the ring of the local domain's kernel, before any daemon starts. Returns its port.
    public func makeControlRing() throws -> UInt32 {
        let port = try FakeEventChannels(in: path(local)).allocate()
        try folder.write("\(port)", to: "dom\(local)/xsd_port")
        return port
    }

    /// Takes the page of a domain away.
    public func removePage(_ domain: UInt16) { unlink(path(domain, "page")) }

    /// Changes the domain's state in the hypervisor, and tells nobody.
    public func set(_ domain: UInt16, isShutdown: Bool = false, isDead: Bool = false) throws {
        var state = try states.read(domain) ?? FakeDomainStates.State(uniqueID: UInt64(lastUniqueID))
        state.isShutdown = isShutdown
        state.isDead = isDead
        try states.write(domain, state)
    }

    /// Removes the domain, and tells nobody.
    public func remove(_ domain: UInt16) {
        try? states.write(domain, nil)
        for name in TemporaryFolder.names(in: path(domain)) { unlink(path(domain, name)) }
        rmdir(path(domain))
    }

    /// Tells the daemon that the state of some domain has changed (VIRQ_DOM_EXC).
    public func tellOfDomains() throws {
        let daemon = try daemonsEnd()
        if let port = daemon.port(ofInterrupt: 3) { daemon.raise(port) }
    }

    /// Whether the daemon has looked at all domains since the last VIRQ_DOM_EXC.
    public func daemonHasLooked() throws -> Bool {
        let daemon = try daemonsEnd()
        return daemon.port(ofInterrupt: 3).map(daemon.isQuiet) ?? true
    }

    /// Does what happens when the daemon's process ends: dom0's kernel closes its ports, and the other ends can be
    /// bound again. Events that the daemon has not taken are lost.
    public func daemonHasDied() throws {
        daemonCount += 1
        for name in TemporaryFolder.names(in: folder.path) {
            guard name.hasPrefix("dom"), let domain = UInt16(name.dropFirst(3)) else { continue }
            try FakeEventChannels(in: path(domain)).unbindAll()
        }
    }

    private var states: FakeDomainStates { FakeDomainStates(of: folder.path) }

    // MARK: Files

    func path(_ domain: UInt16, _ name: String = "") -> String { folder.file("dom\(domain)/\(name)") }

    /// The daemon's end of all channels, as it is now. Each daemon makes a new one.
    func daemonsEnd() throws -> FakeEventChannels {
        try FakeEventChannels(in: folder.file("xenstored"), ports: FakeEventChannels.daemonPorts)
    }

    public static let compiler = Preloaded.compiler

    /// The simulated hypervisor, as a library to preload.
    public static let library = Result { () throws -> String in
        try Preloaded.library(of: "FakeXen", as: "libfakexen.so")
    }
}

extension FakeXen {
    /// The glue for Debian's libxenctrl, where the daemon looks for it: beside the daemon's own folder. The calls of the
    /// glue come to the simulated hypervisor.
    static let glue = Result { () throws -> Void in
        let daemon = try real(Daemon.binary).split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        try buildGlue(in: "\(daemon)/lib/sxenstored/xen")
    }

    /// Builds the glue as `make xen-glue` does.
    public static func buildGlue(in folder: String) throws {
        let sources = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
        let result = try run(["\(sources)/packaging/xen-glue", folder])
        guard result.status == 0 else { throw Trouble("the glue does not compile: \(result.errors)") }
    }

    private static func real(_ path: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw Trouble.system("find \(path)") }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// A file that is mapped while this object exists.
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
