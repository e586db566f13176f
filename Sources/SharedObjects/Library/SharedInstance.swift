// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin

/// One plugin of a shared object that runs: its functions, its own data, and what it has of the daemon.
final class SharedInstance {
    let functions: sxp_plugin
    /// Its data, from `make`.
    private(set) var data: UnsafeMutableRawPointer?
    private(set) var values: Values
    /// The table that the plugin calls.
    let table: UnsafeMutablePointer<sxp_host>
    /// The daemon and its event loop, while a transport runs.
    var host: (any PluginHost)?
    var loop: (any EventLoop)?
    var connections = ConnectionNumbers()
    var descriptors = WatchedDescriptors()
    var timers: [UnsafeMutableRawPointer: SharedTimer] = [:]

    private var refusal: Refusal?
    private let thread = pthread_self()
    /// What the log has said of the plugin's mistakes. Each is said once.
    private var said: Set<String> = []

    /// What the plugin says of its next error.
    private struct Refusal {
        let key: String?
        let code: Int32
        let text: String
    }

    /// Loads the object and makes the plugin from the checked values of its block.
    init(_ object: SharedObject, _ block: ConfigurationBlock) throws(ConfigurationError) {
        do throws(SharedObject.Problem) {
            functions = try object.load()
        } catch {
            throw ConfigurationError("'\(object.description.file ?? "")' \(error)", key: block.path, at: block.place)
        }
        values = Values(block)
        log = block.log
        table = .allocate(capacity: 1)
        table.initialize(to: .forPlugins)
        table.pointee.daemon = Unmanaged.passUnretained(self).toOpaque()
        data = functions.make?(table)
        if data == nil { throw configurationError("the plugin cannot be made") }
    }

    deinit {
        if let data { functions.destroy?(data) }
        table.deallocate()
    }

    /// The name in the configuration.
    var name: String { values.block.name }
    /// It stays the same, since threads of the plugin may use it while the values change.
    let log: PluginLog

    /// Hands the plugin another block. If it refuses, it has the old one.
    func reload(_ block: ConfigurationBlock) throws(ConfigurationError) {
        let old = values
        values = Values(block)
        guard let reload = functions.reload, let data, reload(data) != 0 else { return }
        defer { values = old }
        throw configurationError("the plugin refuses the new values")
    }

    // MARK: Errors

    /// Remembers why the plugin is about to return an error.
    func refuse(_ key: String?, _ code: Int32, _ text: String) { refusal = Refusal(key: key, code: code, text: text) }

    private func takeRefusal() -> Refusal? {
        defer { refusal = nil }
        return refusal
    }

    func configurationError(_ otherwise: String) -> ConfigurationError {
        guard let refusal = takeRefusal() else {
            return ConfigurationError("\(otherwise), and does not say why", key: "")
        }
        guard let key = refusal.key else { return ConfigurationError(refusal.text, key: "") }
        return values.block.error(refusal.text, key: key)
    }

    func systemError(_ code: Int32, doing: String) -> SystemError {
        let refusal = takeRefusal()
        let cause = refusal.map { $0.code == 0 ? code : $0.code } ?? code
        return SystemError(cause, doing: "\(name): \(refusal.map(text) ?? doing)")
    }

    func storageError(_ code: Int32, doing: String) -> StorageError {
        StorageError(takeRefusal().map(text) ?? "\(doing): \(String(cString: strerror(code)))")
    }

    /// The reason; with file, line and key if the reason is a value.
    private func text(_ refusal: Refusal) -> String {
        refusal.key.map { values.block.error(refusal.text, key: $0).description } ?? refusal.text
    }

    // MARK: Calls

    /// The instance that calls, or nil if it must not call now: another thread may not, since nothing of the daemon is
    /// made for two.
    @inline(__always)
    static func calling(_ table: UnsafePointer<sxp_host>?, _ function: StaticString) -> SharedInstance? {
        guard let daemon = table?.pointee.daemon else { return nil }
        let instance = Unmanaged<SharedInstance>.fromOpaque(daemon).takeUnretainedValue()
        if pthread_equal(pthread_self(), instance.thread) != 0 { return instance }
        instance.log.error("the plugin calls '\(function)' from another thread than the daemon's; refused")
        return nil
    }

    /// The connection with this number. The log names a plugin that uses one that has ended.
    @inline(__always)
    func connection(_ number: UInt64, _ function: StaticString) -> Connection? {
        if let connection = connections[number] { return connection }
        complain("it calls '\(function)' with a connection that has ended or never was")
        return nil
    }

    /// Says once in the log what is wrong with the plugin.
    func complain(_ mistake: String) {
        if said.count < 64, said.insert(mistake).inserted { log.error("the plugin is wrong: \(mistake)") }
    }
}

/// What the plugin does when a descriptor is ready.
final class SharedDescriptor: ReadinessHandler {
    private unowned let instance: SharedInstance
    private let context: UnsafeMutableRawPointer?

    init(_ instance: SharedInstance, _ context: UnsafeMutableRawPointer?) {
        self.instance = instance
        self.context = context
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        instance.functions.ready?(instance.data, context, descriptor, UInt32(readiness.rawValue))
    }
}

/// What the plugin does when a moment has come.
final class SharedTimer: TimerHandler {
    private unowned let instance: SharedInstance
    private let context: UnsafeMutableRawPointer

    init(_ instance: SharedInstance, _ context: UnsafeMutableRawPointer) {
        self.instance = instance
        self.context = context
    }

    func wake(at now: Moment) {
        instance.timers[context] = nil
        instance.functions.wake?(instance.data, context)
    }
}
