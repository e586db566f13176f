// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin
import XenStoreWire

/// What plugins of shared objects have in common. Their names and keys come from their files
/// (``SharedObject/description``); the static ones are of no plugin.
public class SharedPlugin: Preparable, SelectivePlugin, Reloadable, Measurable, RequestObserver {
    public static let name = "shared-object"
    public static let summary = "A plugin in a shared object."
    public static let keys: [ConfigurationKey] = []

    private let object: SharedObject
    private var block: ConfigurationBlock
    /// The plugin, once the daemon is about to run.
    private(set) var instance: SharedInstance?

    init(_ object: SharedObject, _ block: ConfigurationBlock) {
        self.object = object
        self.block = block
    }

    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        throw ConfigurationError("a plugin of a shared object comes from its file", key: configuration.path)
    }

    public func prepare() throws(ConfigurationError) { instance = try SharedInstance(object, block) }

    public func has(_ ability: PluginAbility) -> Bool {
        guard let functions = instance?.functions else { return false }
        return switch ability {
        case .reload: functions.reload != nil
        case .measure: functions.measure != nil
        case .observe: functions.finished != nil
        }
    }

    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        try instance?.reload(configuration)
        block = configuration
    }

    // MARK: Counting

    private static let measurementsMax = 64

    public var measurements: [Measurement] {
        guard let instance, let measure = instance.functions.measure else { return [] }
        var found = [sxp_measurement](repeating: sxp_measurement(), count: Self.measurementsMax)
        let count = measure(instance.data, &found, found.count)
        if count > found.count { instance.complain("it counts more than \(Self.measurementsMax) things") }
        return found.prefix(count).compactMap { Measurement($0) }
    }

    // MARK: Observing

    public func finished(_ request: FinishedRequest) {
        guard let instance, let finished = instance.functions.finished else { return }
        request.peer.transport.withCString { transport in
            var seen = sxp_request()
            seen.size = UInt32(MemoryLayout<sxp_request>.size)
            seen.domain = request.peer.domain.rawValue
            seen.privileged = request.peer.isPrivileged ? 1 : 0
            seen.type = request.type
            seen.transaction = request.transaction
            seen.connection = request.connection
            seen.transport = transport
            seen.operation = request.operation.map { $0.name.text }
            seen.path = request.path.baseAddress?.assumingMemoryBound(to: CChar.self)
            seen.path_length = request.path.count
            seen.error = request.error.map { $0.name.text }
            seen.moment = request.moment.nanoseconds
            finished(instance.data, &seen)
        }
    }
}

extension StaticString {
    /// A literal ends with a NUL.
    var text: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}

extension Measurement {
    fileprivate init?(_ measurement: sxp_measurement) {
        guard let name = measurement.name, let unit = measurement.unit, let summary = measurement.summary,
            let unit = Unit(rawValue: String(cString: unit))
        else { return nil }
        let make = measurement.is_total == 0 ? Measurement.current : Measurement.total
        self = make(String(cString: name), measurement.value, unit, String(cString: summary))
    }
}
