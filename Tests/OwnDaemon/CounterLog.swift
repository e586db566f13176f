// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A transport without clients. On SIGHUP it writes all counters of the daemon to the log.
final class CounterLog: Transport, Reloadable, Measurable {
    static let name = "counter-log"
    static let summary = "Writes the counters of the daemon to the log on SIGHUP."
    static let keys = [ConfigurationKey("greeting", .text, default: .text("counters"), "The first line.")]

    private let log: PluginLog
    private var host: (any PluginHost)?
    private var reloads: UInt64 = 0

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) { log = configuration.log }

    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) { self.host = host }
    func stop() { host = nil }

    var measurements: [Measurement] { [.total("reloads", reloads, "Configurations that were taken over.")] }

    func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        reloads += 1
        log.notice("\(configuration.text("greeting") ?? "")")
        for part in host?.measurements() ?? [] {
            for measurement in part.measurements {
                log.notice("\(part.name) \(measurement.name) \(measurement.value) \(measurement.unit)")
            }
        }
    }
}
