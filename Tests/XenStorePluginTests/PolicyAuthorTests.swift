// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// The author of a policy tests it in a daemon inside the test. The guide shows the policy.
@Suite struct PolicyAuthorTests {
    @Test func aPolicyDecidesAboutGuests() throws {
        let policy = try SmallNodes(ConfigurationBlock(["bytes": .number(64)]))
        let host = try EmbeddedHost(storage: FailingStorage(), policies: [policy])
        let guest = host.guest(5)
        #expect(guest.write("name", "short") == .ok)
        #expect(guest.write("name", String(repeating: "x", count: 64)) == .error(.ENOSPC))
        #expect(guest.read("name") == .text("short"))
    }

    @Test func noPolicyIsAskedAboutDom0() throws {
        let policy = try SmallNodes(ConfigurationBlock(["bytes": .number(64)]))
        let host = try EmbeddedHost(storage: FailingStorage(), policies: [policy])
        #expect(host.caller(0).write("/long", String(repeating: "x", count: 4000)) == .ok)
    }

    @Test func aNewConfigurationCounts() throws {
        let policy = try SmallNodes(ConfigurationBlock(["bytes": .number(64)]))
        let host = try EmbeddedHost(storage: FailingStorage(), policies: [policy])
        let guest = host.guest(5)
        try host.engine.reloadPolicies { try policy.reload(ConfigurationBlock(["bytes": .number(2048)])) }
        #expect(guest.write("name", String(repeating: "x", count: 1000)) == .ok)
    }
}

/// Refuses large nodes of guests.
final class SmallNodes: Policy, Reloadable {
    static let name = "small-nodes"
    static let summary = "Bounds the size of a guest's node."
    static let keys = [
        ConfigurationKey("bytes", .number(64...4096), default: .number(512), "The most bytes that one node may have.")
    ]

    private var bytesMax: Int

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        bytesMax = configuration.number("bytes") ?? 512
    }

    func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
        resource == .nodeSize && amount > bytesMax ? .ENOSPC : nil
    }

    func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        bytesMax = configuration.number("bytes") ?? 512
    }
}
