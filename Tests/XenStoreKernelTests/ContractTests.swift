// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreEngine
@testable import XenStoreKernel

/// What one part of the kernel must not do to another is checked where no type can say it. A debug build stops there.
@Suite struct ContractTests {
    @Test func aPathMustNotBeUsedAfterTheNextOneIsRead() async {
        await #expect(processExitsWith: .failure) {
            let scanner = PathScanner(hashing: PathHash(seed: 1))
            let (first, second) = (Array("/a/b".utf8), Array("/c".utf8))
            try first.withUnsafeBytes { first in
                let path = try scanner.scan(first, home: .control)
                try second.withUnsafeBytes { _ = try scanner.scan($0, home: .control) }
                _ = path.hash
            }
        }
    }

    @Test func aPathIsGoodUntilTheNextOneIsRead() throws {
        let scanner = PathScanner(hashing: PathHash(seed: 1))
        let bytes = Array("/a/b".utf8)
        try bytes.withUnsafeBytes { bytes in
            let path = try scanner.scan(bytes, home: .control)
            #expect(path.prefix(1).hash != path.hash)
        }
    }

    @Test func aDomainTransportMustNotCallTheKernelBack() async {
        await #expect(processExitsWith: .failure) {
            let host = try EmbeddedHost(storage: FailingStorage())
            host.engine.serveDomains(by: CallingBack(host.engine))
            let dom0 = host.caller(0)
            dom0.ask(.introduce, "5\0" + "1\0" + "2\0")
        }
    }
}

/// A transport that asks the kernel in the middle of what the kernel asks it.
private final class CallingBack: DomainTransport, Hypervisor {
    static let (name, summary) = ("calling-back", "Calls the kernel back.")
    static let keys: [ConfigurationKey] = []
    private let engine: Engine

    init(_ engine: Engine) { self.engine = engine }

    convenience init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        throw ConfigurationError("not made from a configuration", key: "")
    }

    var hypervisor: any Hypervisor { self }

    func state(of domain: DomainID) -> DomainState? {
        engine.domainsChanged()
        return DomainState(uniqueID: 1)
    }

    func introduce(_: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        throw .EINVAL
    }
    func reintroduce(_: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        throw .EINVAL
    }
    func resume(_: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire {
        throw .EINVAL
    }
    func release(_ domain: DomainID) {}
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {}
    func stop() {}
}
