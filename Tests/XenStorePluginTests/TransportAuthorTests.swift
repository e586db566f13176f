// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// The author of a transport tests it with a daemon inside the test. The guide shows the transport.
@Suite struct TransportAuthorTests {
    private let host: EmbeddedHost
    private let loop = OneDescriptor()
    private let line: DeviceLine
    private let terminal: Int32

    init() throws {
        host = try EmbeddedHost(storage: FailingStorage())
        host.caller(0).makeHome(of: 5)
        let path: String
        (terminal, path) = try rawTerminal()
        line = try DeviceLine(ConfigurationBlock(["path": .text(path), "domain": .number(5)]))
        try line.start(on: loop, host: host.engine)
    }

    private func write(_ bytes: [UInt8]) { #expect(Glibc.write(terminal, bytes, bytes.count) == bytes.count) }

    /// Lets the transport read once, ends the turn, and returns what the device has then.
    private func answer() -> [UInt8] {
        loop.handler?.ready(loop.descriptor, for: .readable)
        host.settle()
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(terminal, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    @Test func eachRequestOverTheLineGetsItsReply() {
        for request in [7, 8] as [UInt32] {
            write(Message.bytes(Operation.write.rawValue, request: request, Array("name\0guest".utf8)))
            #expect(answer() == Message.bytes(Operation.write.rawValue, request: request, Array("OK\0".utf8)))
        }
        #expect(host.caller(0).read("/local/domain/5/name") == .text("guest"))
        line.stop()
        close(terminal)
    }

    @Test func theHostClosesALineThatBreaksTheProtocol() {
        write([UInt8](repeating: 0xff, count: Header.size))
        #expect(answer() == [])
        #expect(loop.handler == nil, "the transport watches the device no more")
        line.stop()
        close(terminal)
    }

    @Test func aDeviceThatIsMissingIsAnErrorOfTheStart() throws {
        let line = try DeviceLine(ConfigurationBlock(["path": .text("/nowhere/device"), "domain": .number(5)]))
        #expect(throws: SystemError.self) { try line.start(on: loop, host: host.engine) }
        self.line.stop()
        close(terminal)
    }
}

/// One guest at the other end of a device.
final class DeviceLine: Transport, Link, ReadinessHandler {
    static let name = "device-line"
    static let summary = "One guest at the other end of a device, such as a serial line."
    static let keys = [
        ConfigurationKey("path", .device, default: .text("/dev/ttyS1"), "The device."),
        ConfigurationKey("domain", .number(1...32_751), default: .number(1), "The guest at its other end."),
    ]

    private let path: String
    private let peer: Peer
    private let log: PluginLog
    private var loop: (any EventLoop)?
    private var host: (any PluginHost)?
    private var connection: Connection?
    private var descriptor: Int32 = -1

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        path = configuration.text("path") ?? ""
        let domain = DomainID(UInt16(configuration.number("domain") ?? 1))
        peer = Peer(domain: domain, isPrivileged: false, transport: "device-line")
        log = configuration.log
    }

    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        descriptor = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        if descriptor < 0 { throw SystemError(errno, doing: "open \(path)") }
        try loop.add(descriptor, for: .readable, self)
        (self.loop, self.host) = (loop, host)
        connection = host.connect(self, as: peer)
    }

    func stop() {
        if let connection { host?.disconnect(connection) }
        closeDevice()
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        guard let connection else { return }
        if readiness.contains(.writable) { flush(connection) }
        if readiness.contains(.readable) { receive(on: connection) }
    }

    private func receive(on connection: Connection) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &bytes, bytes.count)
        if count > 0 { bytes.withUnsafeBytes { host?.receive(.init(rebasing: $0[..<count]), on: connection) } }
    }

    func flush(_ connection: Connection) {
        let unsent = connection.unsent
        let count = unsent.isEmpty ? 0 : write(descriptor, unsent.baseAddress, unsent.count)
        if count > 0 { host?.sent(count, on: connection) }
        watch(connection)
    }

    func readingChanged(_ connection: Connection) { watch(connection) }

    private func watch(_ connection: Connection) {
        var wanted: Readiness = connection.isReading ? .readable : []
        if !connection.unsent.isEmpty { wanted.insert(.writable) }
        loop?.change(descriptor, to: wanted)
    }

    func close(_ reason: EndReason) {
        log.notice("\(path) ends: \(reason)")
        closeDevice()
    }

    private func closeDevice() {
        connection = nil
        if descriptor < 0 { return }
        loop?.remove(descriptor)
        _ = Glibc.close(descriptor)
        descriptor = -1
    }
}

/// An event loop for one descriptor. The test says when it is ready.
private final class OneDescriptor: EventLoop {
    private(set) var descriptor: Int32 = -1
    private(set) var handler: (any ReadinessHandler)?
    let now = Moment.start

    func add(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler) {
        (self.descriptor, self.handler) = (descriptor, handler)
    }
    func change(_ descriptor: Int32, to interest: Readiness) {}
    func remove(_ descriptor: Int32) { handler = nil }
    func wake(_ handler: any TimerHandler, at moment: Moment?) {}
}

/// The test's end of a device: a terminal that changes no byte. Returns also the path of the other end.
private func rawTerminal() throws -> (descriptor: Int32, path: String) {
    let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    try #require(terminal >= 0)
    // Linux's TIOCSPTLCK and TIOCGPTN, which Swift does not import: unlock the other end, and ask for its number.
    var (lock, number): (Int32, Int32) = (0, 0)
    try #require(ioctl(terminal, 0x4004_5431, &lock) == 0 && ioctl(terminal, 0x8004_5430, &number) == 0)
    var settings = termios()
    try #require(tcgetattr(terminal, &settings) == 0)
    cfmakeraw(&settings)
    try #require(tcsetattr(terminal, TCSANOW, &settings) == 0)
    return (terminal, "/dev/pts/\(number)")
}
