// SPDX-License-Identifier: Apache-2.0
import SharedObjects
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit

/// Plugins of shared objects pass what every plugin must pass.
@Suite struct SharedConformanceTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func registry(_ source: String, _ macros: [String] = []) throws -> PluginRegistry {
        var registry = PluginRegistry()
        try SharedObject.register(workshop.make(source, macros), in: &registry)
        return registry
    }

    private func block(_ values: [String: ConfigurationValue], _ plugin: PluginDescription) -> ConfigurationBlock {
        values.reduce(ConfigurationBlock(defaultsOf: plugin.keys)) { $0.with($1.key, $1.value) }
    }

    private func gateProblems(_ macros: [String] = []) throws -> [String] {
        let gate = try #require(registry("gate", macros).transports.first)
        let path = workshop.place.file("gate")
        let block = block(["token": .text("abcd"), "path": .text(path)], gate.description)
        let kit = TransportConformance {
            let transport = try gate.make(block)
            try (transport as? any Preparable)?.prepare()
            return transport
        } connecting: {
            try DescriptorClient(unixSocket: path, sayingFirst: Array("abcd".utf8))
        }
        return try kit.problems()
    }

    @Test func aTransportOfASharedObjectPasses() throws { #expect(try gateProblems() == []) }

    @Test(arguments: [
        ("DEAF", "a client does not get its answers"),
        ("READS_ON", "it reads on and on from a client that does not"),
        ("KEEPS_ENDED", "it does not close the connection of a client whose message is too long"),
    ])
    func aWrongTransportIsFoundOut(macro: String, problem: String) throws {
        let problems = try gateProblems([macro])
        #expect(problems.contains { $0.contains(problem) }, "\(problems)")
    }

    @Test func aStorageOfASharedObjectPasses() throws {
        let shelf = try #require(registry("shelf").storages.first)
        let block = block(["path": .text(workshop.place.file("shelf"))], shelf.description)
        for ending in StorageConformance.Ending.allCases {
            let kit = StorageConformance(ending: ending) {
                let storage = try shelf.make(block)
                try (storage as? any Preparable)?.prepare()
                return storage
            }
            #expect(try kit.problems() == [])
        }
    }

    @Test func aPolicyOfASharedObjectPasses() throws {
        let warden = try #require(registry("warden").policies.first)
        let policy = try warden.make(ConfigurationBlock(defaultsOf: warden.description.keys))
        try (policy as? any Preparable)?.prepare()
        #expect(PolicyConformance(policy).problems() == [])
    }
}
