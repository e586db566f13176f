// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// The event channels of one side in a FakeXen world: a table of ports, and a fifo that wakes the side.
final class FakeEventChannels {
    let descriptor: Int32
    private let table: SharedFile
    private let portCount: Int

    /// The number of ports of a domain, and of the daemon, which needs one for each domain.
    static let (domainPorts, daemonPorts) = (4096, 32768)
    private static let headerSize = 64
    private static let entrySize = 16

    private static func byteCount(_ ports: Int) -> Int { headerSize + ports * entrySize }

    /// The words of a table's entry, by their places.
    private enum Word: Int {
        case flags = 0
        case type = 4
        case remoteDomain = 8
        case remotePort = 12
    }
    private enum Flag {
        static let pending: UInt32 = 1
        static let masked: UInt32 = 2
    }
    private enum Kind {
        static let unbound: UInt32 = 1
        static let interdomain: UInt32 = 2
        static let interrupt: UInt32 = 3
    }

    init(in folder: String, ports: Int = domainPorts) throws {
        portCount = ports
        table = try SharedFile(folder + "/ports", Self.byteCount(ports))
        descriptor = open(folder + "/fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw Trouble.system("open the fifo in \(folder)") }
    }

    deinit { close(descriptor) }

    /// Makes the files. All ports are free.
    static func create(in folder: String) throws {
        try SharedFile.create(folder + "/ports", byteCount(domainPorts))
        guard mkfifo(folder + "/fifo", 0o600) == 0 else { throw Trouble.system("make a fifo in \(folder)") }
        let table = try SharedFile(folder + "/ports", byteCount(domainPorts))
        table.base.storeBytes(of: 0x3145_5846, as: UInt32.self)
        table.base.storeBytes(of: UInt32(domainPorts), toByteOffset: 4, as: UInt32.self)
    }

    private func word(_ port: UInt32, _ word: Word) -> UnsafeMutablePointer<Atomic<UInt32>> {
        let place = Self.headerSize + Int(port) * Self.entrySize + word.rawValue
        return (table.base + place).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    private func load(_ port: UInt32, _ word: Word) -> UInt32 {
        self.word(port, word).pointee.load(ordering: .sequentiallyConsistent)
    }

    // MARK: Ports

    /// Makes a port that another domain may bind to.
    func allocate() throws -> UInt32 {
        for port in 1..<UInt32(portCount) {
            let (isMine, _) = word(port, .type).pointee.compareExchange(
                expected: 0, desired: Kind.unbound, ordering: .sequentiallyConsistent)
            if isMine { return port }
        }
        throw Trouble("no port is free")
    }

    /// Closes the other ends of all channels.
    func unbindAll() {
        for port in 1..<UInt32(portCount) where load(port, .type) == Kind.interdomain {
            word(port, .type).pointee.store(Kind.unbound, ordering: .sequentiallyConsistent)
        }
    }

    /// The port that is bound to a virtual interrupt. The hypervisor knows one at most.
    func port(ofInterrupt number: UInt32) -> UInt32? {
        (1..<UInt32(portCount)).first { load($0, .type) == Kind.interrupt && load($0, .remoteDomain) == number }
    }

    /// The port at the other end; nil if nobody has bound it.
    func remotePort(of port: UInt32) -> UInt32? {
        load(port, .type) == Kind.interdomain ? load(port, .remotePort) : nil
    }

    /// Whether the port's side has taken and handled all its events.
    func isQuiet(_ port: UInt32) -> Bool { load(port, .flags) == 0 }

    // MARK: Events

    /// Makes the port pending. Wakes its side, unless the side will look anyway.
    func raise(_ port: UInt32) {
        let before = word(port, .flags).pointee.bitwiseOr(Flag.pending, ordering: .sequentiallyConsistent).oldValue
        if before & (Flag.pending | Flag.masked) == 0 { queue(port) }
    }

    /// Takes one event. False if there is none.
    func take() -> Bool {
        var port: UInt32 = 0
        guard read(descriptor, &port, 4) == 4, port < portCount else { return false }
        word(port, .flags).pointee.store(0, ordering: .sequentiallyConsistent)
        return true
    }

    private func queue(_ port: UInt32) {
        var port = port
        while write(descriptor, &port, 4) < 0, errno == EINTR {}
    }
}
