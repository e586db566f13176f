// SPDX-License-Identifier: Apache-2.0
import Glibc
import PluginName
import Testing
import XenStorePlugin
import XenStoreTestKit

/// One after the other: all use one socket.
@Suite(.serialized) struct PluginNameTests {
    private let path = "/tmp/plugin-name-\(getpid())"

    private func make(domain: Int = 5) throws -> PluginName {
        let defaults = ConfigurationBlock(defaultsOf: PluginName.keys)
        return try PluginName(defaults.with("path", .text(path)).with("domain", .number(domain)))
    }

    /// What every transport must pass. Real clients connect, talk, are slow, and go.
    @Test func keepsItsPromises() throws {
        let kit = TransportConformance {
            try make()
        } connecting: {
            try DescriptorClient(unixSocket: path)
        }
        #expect(try kit.problems() == [])
    }

    /// What only this transport does. A daemon in the test serves one client, on an event loop that the test cranks.
    @Test func aClientIsTheGuest() throws {
        let host = try EmbeddedHost(storage: FailingStorage())
        let loop = HandLoop()
        let transport = try make(domain: 7)
        try transport.start(on: loop, host: host.engine)
        defer { transport.stop() }
        let client = try DescriptorClient(unixSocket: path)
        // WRITE of a path below the guest's home.
        _ = client.send(Message.bytes(11, Array("name\0me".utf8))[...])
        var answer: [UInt8] = []
        while answer.isEmpty {
            try #require(loop.poll(milliseconds: 10_000) > 0, "the daemon has nothing to do")
            host.settle()
            answer = try #require(client.receive())
        }
        #expect(answer == Message.bytes(11, Array("OK\0".utf8)))
        #expect(host.caller(0).read("/local/domain/7/name") == .text("me"))
    }
}
