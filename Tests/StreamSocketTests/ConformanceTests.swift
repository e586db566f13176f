// SPDX-License-Identifier: Apache-2.0
import PermissionsPolicy
import QuotasPolicy
import ReadOnlySocket
import TestSupport
import Testing
import UnixSocket
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// The sockets and the policies of this package pass what every plugin must pass.
@Suite struct PluginConformanceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(.slow) func theUnixSocketPasses() throws {
        typealias MyTransport = UnixSocket
        let (path, block) = configured(UnixSocket.keys)
        let kit = TransportConformance {
            try MyTransport(block)
        } connecting: {
            try DescriptorClient(unixSocket: path)
        }
        #expect(try kit.problems() == [])
    }

    @Test(.slow) func theReadOnlySocketPasses() throws {
        let (path, block) = configured(ReadOnlySocket.keys)
        let kit = TransportConformance {
            try ReadOnlySocket(block)
        } connecting: {
            try DescriptorClient(unixSocket: path)
        }
        #expect(try kit.problems() == [])
    }

    /// Clients of this one must say something first.
    @Test(.slow) func aSocketWithATokenPasses() throws {
        let token = Array("open sesame".utf8)
        let block = ConfigurationBlock(defaultsOf: LoopbackTCP.keys).with("port", .number(0))
            .with("token", .secret(Secret(token, from: "token")))
        var last: LoopbackTCP?
        let kit = TransportConformance {
            let transport = try LoopbackTCP(block)
            last = transport
            return transport
        } connecting: {
            try DescriptorClient(loopbackPort: last?.port ?? 0, sayingFirst: token)
        }
        #expect(try kit.problems() == [])
    }

    private func configured(_ keys: [ConfigurationKey]) -> (path: String, ConfigurationBlock) {
        let path = folder.file("socket")
        return (path, ConfigurationBlock(defaultsOf: keys).with("path", .text(path)).with("mode", .number(0o600)))
    }

    @Test func bothPoliciesPass() throws {
        typealias MyPolicy = Quotas
        let block = ConfigurationBlock(defaultsOf: Quotas.keys)
        #expect(PolicyConformance(try MyPolicy(block)).problems() == [])
        #expect(PolicyConformance(try Permissions(ConfigurationBlock(defaultsOf: []))).problems() == [])
    }

    /// A policy that cannot make up its mind.
    private final class Moody: Policy {
        static let name = "moody"
        static let summary = "Allows each second question."
        static let keys: [ConfigurationKey] = []
        private var isGood = false

        init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

        func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
            isGood.toggle()
            return isGood ? nil : .ENOSPC
        }

        func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool {
            isGood.toggle()
            return isGood
        }
    }

    @Test func aMoodyPolicyIsFoundOut() throws {
        let problems = PolicyConformance(try Moody(ConfigurationBlock([:]))).problems()
        #expect(problems.contains("0 of nodes for domain 0: two answers to one question"), "\(problems.prefix(3))")
        #expect(problems.contains { $0.hasPrefix("access 1 of domain 0: two answers") })
    }
}
