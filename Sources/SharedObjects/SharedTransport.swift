// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin
import XenStoreWire

/// A transport of a shared object.
public final class SharedTransport: SharedPlugin, Transport {
    override init(_ object: SharedObject, _ block: ConfigurationBlock) { super.init(object, block) }
    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        try super.init(configuration)
    }

    public func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        guard let instance else { throw SystemError(EINVAL, doing: "start a transport that is not loaded") }
        instance.loop = loop
        instance.host = host
        let code = instance.functions.start?(instance.data) ?? 0
        if code == 0 { return }
        let error = instance.systemError(code, doing: "start the transport")
        stop()
        throw error
    }

    public func stop() {
        guard let instance else { return }
        instance.functions.stop?(instance.data)
        instance.forgetAll()
    }
}

extension SharedInstance {
    /// Forgets what the plugin still watches, and tells it.
    fileprivate func forgetAll() {
        let left = descriptors.numbers
        if !left.isEmpty { complain("it watches \(left.count) descriptors after its end") }
        for descriptor in left { loop?.remove(descriptor) }
        for timer in timers.values { loop?.wake(timer, at: nil) }
        descriptors.removeAll()
        timers = [:]
        (host, loop) = (nil, nil)
    }
}

/// The wire of one connection of a plugin.
final class SharedLink: Link {
    private unowned let instance: SharedInstance
    /// The plugin's own.
    private let data: UnsafeMutableRawPointer?
    var number: UInt64 = 0

    init(_ instance: SharedInstance, _ data: UnsafeMutableRawPointer?) {
        self.instance = instance
        self.data = data
    }

    func flush(_ connection: Connection) { instance.functions.flush?(instance.data, data, number) }

    func readingChanged(_ connection: Connection) { instance.functions.reading_changed?(instance.data, data, number) }

    func close(_ reason: EndReason) {
        instance.connections.remove(number)
        let end: sxp_end =
            switch reason {
            case .answered: SXP_ANSWERED
            case .oversizedMessage: SXP_OVERSIZED_MESSAGE
            case .peerNotReading: SXP_PEER_NOT_READING
            }
        instance.functions.close?(instance.data, data, end)
    }
}
