// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

public final class UnixSocket: Transport {
    public static let name = "unix-socket"
    public static let summary = "A socket."
    public static let keys: [ConfigurationKey] = [
        ConfigurationKey("path", .path, default: .text("${rundir}/socket"), "The socket's file."),
        ConfigurationKey("mode", .mode, default: .number(0o600), "Permission bits of the file: who may connect."),
        ConfigurationKey("owner", .text, default: nil, "User the file belongs to."),
        ConfigurationKey("group", .text, default: nil, "Group the file belongs to."),
        ConfigurationKey("backlog", .number(1...65535), default: .number(128), "Connections that may wait to be accepted."),
    ]
    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    public func start(on loop: any EventLoop, kernel: Kernel) throws(SystemError) {}
    public func stop() {}
}
