// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStorePlugin
import XenStoreWire

// Plugins that do nothing, with keys of every kind: the configuration is tested against these, so
// that its tests do not change with the real ones.

final class SampleSocket: Transport {
    static let name = "unix-socket"
    static let summary = "Clients on a unix socket."
    static let keys = [
        ConfigurationKey("path", .path, default: .text("${rundir}/socket"), "Where the socket is."),
        ConfigurationKey("mode", .mode, default: .text("0600"), "Who may connect."),
        ConfigurationKey("backlog", .number(1...4096), default: .number(1024), "Connections in waiting."),
        ConfigurationKey("owner", .text, default: nil, "User the socket is given to."),
    ]
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        if configuration.text("owner") == "nobody" {
            throw configuration.error("nobody would own it", key: "owner")
        }
    }
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {}
    func stop() {}
}

final class SampleReadOnlySocket: Transport {
    static let name = "read-only-socket"
    static let summary = "Readers on a unix socket."
    static let keys = [
        ConfigurationKey("path", .path, default: .text("${rundir}/socket_ro"), "Where the socket is."),
        ConfigurationKey("mode", .mode, default: .number(0o660), "Who may connect."),
    ]
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {}
    func stop() {}
}

/// Keys of the kinds that no other sample has.
final class SampleKinds: Transport {
    static let name = "kinds"
    static let summary = "Every kind of key."
    static let keys = [
        ConfigurationKey("label", .text, default: nil, "What it is called.", isRequired: true),
        ConfigurationKey("ports", .list(.number(1...65535)), default: .list([.number(80), .number(443)]), "Ports."),
        ConfigurationKey("users", .list(.text), default: nil, "Who may connect."),
        ConfigurationKey(
            "timeout", .duration(.milliseconds(1) ... .seconds(3600)), default: .duration(.milliseconds(1500)),
            "How long it waits."),
        ConfigurationKey("room", .size(1...1 << 40), default: .number(65536), "Memory."),
        ConfigurationKey("token", .secret, default: nil, "What a client must say."),
    ]
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {}
    func stop() {}
}

class SampleStorage: Storage {
    class var name: String { "memory" }
    class var summary: String { "Keeps nothing." }
    class var keys: [ConfigurationKey] { [] }
    required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    var wantsBatches: Bool { false }
    func load(into loader: any StateLoader) throws(StorageError) {}
    func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {}
    func close() {}
}

final class SampleFileStorage: SampleStorage, Surveying {
    private let path: String?
    required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        path = configuration.text("path")
        try super.init(configuration)
    }
    func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        if path == "/folder" { throw ConfigurationError("is a folder", key: "path") }
        if path == "/tmp/store" { warn(ConfigurationError("is cleared at each boot", key: "path")) }
    }
    override class var name: String { "file" }
    override class var summary: String { "Keeps everything in a file." }
    override class var keys: [ConfigurationKey] {
        [
            ConfigurationKey("path", .path, default: .text("/var/lib/sample/store"), "The file."),
            ConfigurationKey("sync", .flag, default: .flag(true), "Waits for the disk."),
        ]
    }
}

final class SamplePermissions: Policy {
    static let name = "permissions"
    static let summary = "Who may touch which node."
    static let keys: [ConfigurationKey] = []
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
}

final class SampleQuotas: Policy {
    static let name = "quotas"
    static let summary = "How much a domain may hold."
    static let limits = [
        ConfigurationKey("nodes", .number(0...1_000_000), default: .number(1000), "Nodes owned."),
        ConfigurationKey("watches", .number(0...1_000_000), default: .number(128), "Watches set."),
    ]
    static let keys =
        limits + [
            ConfigurationKey("when-full", .choice(["refuse", "log"]), default: .text("refuse"), "What then."),
            ConfigurationKey("domains", .perDomain(limits), default: nil, "Other limits for some."),
        ]
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
}

extension PluginRegistry {
    static var samples: PluginRegistry {
        PluginRegistry(
            transports: [SampleSocket.self, SampleReadOnlySocket.self, SampleKinds.self],
            storages: [SampleStorage.self, SampleFileStorage.self],
            policies: [SamplePermissions.self, SampleQuotas.self])
    }
}

func readSample(
    _ text: String, set assignments: [String] = []
) throws(ConfigurationErrors) -> EffectiveConfiguration {
    try ConfigurationReader(registry: .samples, runDirectory: "/run/xenstored")
        .read(
            ConfigurationText(text, name: "test.yaml"),
            overlays: assignments.compactMap { Overlay($0, origin: "--set") })
}

/// The lines of what is wrong; empty if nothing is.
func errorsOfSample(_ text: String, set assignments: [String] = []) -> [String] {
    do {
        let configuration = try readSample(text, set: assignments)
        _ = try configuration.makePlugins(from: .samples)
        return []
    } catch {
        return error.all.map(\.description)
    }
}
