// SPDX-License-Identifier: Apache-2.0
import PluginName
import Testing
import XenStorePlugin
import XenStoreTestKit

@Suite struct PluginNameTests {
    private func make(bytes: Int) throws -> PluginName {
        try PluginName(ConfigurationBlock(defaultsOf: PluginName.keys).with("bytes", .number(bytes)))
    }

    /// What every policy must pass: it answers every question, and the same question always in the same way.
    @Test func keepsItsPromises() throws {
        #expect(PolicyConformance(try make(bytes: 64)).problems() == [])
    }

    /// What only this policy does, asked by a daemon in the test.
    @Test func aLargeNodeIsRefused() throws {
        let host = try EmbeddedHost(storage: FailingStorage(), policies: [make(bytes: 64)])
        let guest = host.guest(5)
        #expect(guest.write("name", "short") == .ok)
        #expect(guest.write("name", String(repeating: "x", count: 64)) == .error(.ENOSPC))
        #expect(host.caller(0).write("/long", String(repeating: "x", count: 4000)) == .ok, "dom0 is not asked")
    }
}
