// SPDX-License-Identifier: Apache-2.0
import Glibc
import MemoryStorage
import XenStorePlugin
import XenStoreWire

/// Tests that every transport must pass. A kernel without policies serves real clients of the transport, on an event
/// loop that is cranked by hand.
///
///     let kit = TransportConformance {
///         try MyTransport(block)
///     } connecting: {
///         try DescriptorClient(unixSocket: path)
///     }
///     #expect(try kit.problems() == [])
public struct TransportConformance {
    private let make: () throws -> any Transport
    private let connect: (() throws -> any WireClient)?
    private let countsDescriptors: Bool

    /// - Parameters:
    ///   - countsDescriptors: whether descriptors that stay open are a problem. Only for a process in which nothing else
    ///     opens any meanwhile, such as other tests.
    ///   - make: makes the transport, each time with the same configuration.
    ///   - connect: connects a client, whatever the transport asks of it first. Without it only start and end are
    ///     tested.
    public init(
        countsDescriptors: Bool = false, making make: @escaping () throws -> any Transport,
        connecting connect: (() throws -> any WireClient)? = nil
    ) {
        self.countsDescriptors = countsDescriptors
        self.make = make
        self.connect = connect
    }

    /// Runs all tests and returns the problems, a line each.
    public func problems() throws -> [String] {
        var problems: [String] = []
        for (name, test) in Self.tests where connect != nil || name == Self.startAndEnd {
            let before = Self.openDescriptors
            let run = try TransportRun(make(), connect)
            do {
                try test(run)
            } catch let problem as Problem {
                problems.append("\(name): \(problem.text)")
            }
            run.stop()
            problems += run.complaints.map { "\(name): the log says: \($0)" }
            let left = Self.openDescriptors - before
            if countsDescriptors, left > 0 {
                problems.append("\(name): \(left) descriptors are still open after its end")
            }
            // The others would wait in vain, one after the other.
            if name == Self.oneRequest, !problems.isEmpty { return problems }
        }
        return problems
    }

    /// What is not as it should be.
    struct Problem: Error {
        let text: String
    }

    private static var openDescriptors: Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }

    private static let startAndEnd = "start and end"
    private static let oneRequest = "one request"

    /// Each test has a transport of its own.
    private static var tests: [(name: String, test: (TransportRun) throws -> Void)] {
        [
            (startAndEnd, { _ in }),
            (oneRequest, { try $0.expectAnswers(to: 1) }),
            ("bytes one by one", { try $0.expectAnswers(to: 3, pieces: 1) }),
            ("many requests at once", { try $0.expectAnswers(to: 200) }),
            ("a client that does not read", { try $0.readLate() }),
            ("two clients", { try $0.serveTwo() }),
            ("a client that goes", { try $0.hangUp() }),
            ("a client that has said all", { try $0.finishSending() }),
            ("a message that is too long", { try $0.sendTooMuch() }),
            ("clients that come and go", { try $0.comeAndGo() }),
        ]
    }
}

/// The other end of one connection of a transport that is tested.
public protocol WireClient: AnyObject {
    /// Sends as many of the bytes as the wire takes now, and returns their number. Never waits.
    func send(_ bytes: ArraySlice<UInt8>) -> Int
    /// Takes what has come; an empty list if nothing has, nil if the connection has ended. Never waits.
    func receive() -> [UInt8]?
    /// Says that nothing more will be sent. Returns false if the wire cannot say that.
    func finishSending() -> Bool
    /// Ends the connection.
    func hangUp()
}

/// A client over a stream of the system, such as a unix socket.
public final class DescriptorClient: WireClient {
    private var descriptor: Int32

    /// Takes a connected stream over, and what the transport wants to hear first: a token, say.
    public init(_ descriptor: Int32, sayingFirst greeting: [UInt8] = []) throws(SystemError) {
        self.descriptor = descriptor
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0, send(greeting[...]) == greeting.count else {
            throw SystemError(errno, doing: "talk to the transport")
        }
    }

    /// Connects to a unix socket.
    public convenience init(unixSocket path: String, sayingFirst greeting: [UInt8] = []) throws(SystemError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        try self.init(Self.connect(AF_UNIX, address, path), sayingFirst: greeting)
    }

    /// Connects to a TCP port of this host.
    public convenience init(loopbackPort port: UInt16, sayingFirst greeting: [UInt8] = []) throws(SystemError) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try self.init(Self.connect(AF_INET, address, "port \(port)"), sayingFirst: greeting)
    }

    private static func connect<Address>(_ family: Int32, _ address: Address, _ name: String) throws(SystemError)
        -> Int32
    {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else {
            let code = errno
            close(descriptor)
            throw SystemError(code, doing: "connect to \(name)")
        }
        return descriptor
    }

    deinit { hangUp() }

    public func send(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes { max(0, Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))) }
    }

    public func receive() -> [UInt8]? {
        var all: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &block, block.count)
            if count > 0 {
                all += block[..<count]
            } else if count < 0, errno == EAGAIN {
                return all
            } else {
                return all.isEmpty ? nil : all
            }
        }
    }

    public func finishSending() -> Bool { shutdown(descriptor, Int32(SHUT_WR)) == 0 }

    public func hangUp() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
