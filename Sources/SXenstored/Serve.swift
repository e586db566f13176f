// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import Reactor
import XenStoreEngine
import XenStorePlugin

/// Options of the process that do not depend on its plugins.
struct ServeOptions {
    /// Whether to go to the background. The process that the operator has started exits when the daemon serves.
    var forks = true
    var pidFile: String?
    var logLevel = LogLevel.notice
    /// Applies a changed configuration on SIGHUP, and reports it in the log. If it throws, nothing has changed, and the
    /// error goes to the log.
    var reload: (Engine) throws -> Void = { _ in }
    /// The file for a trace of all messages.
    var traceFile: String?
    /// Whether to print the process id on standard output.
    var printsPid = false
    /// The first line of the log. It names the version, the configuration and the plugins.
    var greeting: String?
    /// Warnings of the plugins, for the log.
    var warnings: [String] = []
}

/// Runs the daemon with these plugins until a signal ends it, and returns the exit status. When the daemon goes to the
/// background, the function returns in both processes.
func serve(_ plugins: PluginSet, options: ServeOptions) -> Int32 {
    let log = DaemonLog.shared
    log.level = options.logLevel
    defer { log.flush() }
    Process.settle()
    if let greeting = options.greeting { log.write(.notice, greeting) }
    for warning in options.warnings { log.write(.warning, warning) }
    do {
        var launcher: Launcher?
        // The operator's path is relative to the current folder, and the daemon moves to the root.
        let pidFile = options.pidFile.map(absolute)
        if options.forks {
            switch try Background.enter() {
            case .launcher(let exitStatus, let daemon):
                if let daemon, options.printsPid { say("\(daemon)", on: STDOUT_FILENO) }
                return exitStatus
            case .daemon(let its): launcher = its
            }
        }
        log.start()
        let service = try Service(plugins, pidFile: pidFile)
        if let path = options.traceFile { try service.trace(to: path) }
        try service.run(launcher, reload: options.reload) {
            // In the background the launcher says it.
            if launcher == nil, options.printsPid { say("\(getpid())", on: STDOUT_FILENO) }
        }
        return EXIT_SUCCESS
    } catch PidFile.Failure.isHeld(let path, let pid) {
        log.write(.error, "another daemon runs\(pid.map { " as process \($0)" } ?? ""): it holds '\(path)'")
        // C xenstored also exits with success: a daemon runs, which is what the operator wants.
        return EXIT_SUCCESS
    } catch PidFile.Failure.system(let error) {
        log.write(.error, error.explanation)
    } catch let error as SystemError {
        log.write(.error, error.explanation)
    } catch {
        log.write(.error, "\(error)")
    }
    return EXIT_FAILURE
}

/// The daemon from its start to its end.
private final class Service {
    private let log = DaemonLog.shared
    private let reactor: Reactor
    private let engine: Engine
    private let plugins: PluginSet
    private let pidFile: PidFile?
    private var traceFile: TraceFile?
    /// The transports that run, in the order in which they were started.
    private var started: [any Transport] = []

    init(_ plugins: PluginSet, pidFile path: String?) throws {
        // This comes first: a second daemon must not touch the files of the first one.
        pidFile = try path.map(PidFile.init)
        Process.raiseDescriptorLimit()
        reactor = try Reactor()
        engine = try Engine(
            storage: plugins.storage, named: plugins.storageName, policies: plugins.policies,
            seed: .random(in: 0...(.max)), log: log.write)
        engine.useAbilities(of: plugins.all)
        self.plugins = plugins
    }

    /// Writes every message to a file.
    func trace(to path: String) throws(SystemError) {
        let file = try TraceFile(path: path)
        engine.trace { file.write($0) }
        _ = engine.setLogSwitch("+io")
        traceFile = file
    }

    /// Serves until a signal ends the daemon. Calls `whenServing` when clients can connect.
    func run(
        _ launcher: Launcher?, reload: @escaping (Engine) throws -> Void, whenServing: () -> Void
    ) throws {
        try reactor.onSignals([SIGTERM, SIGINT, SIGHUP]) { [unowned self] signal in
            if signal == SIGHUP { self.reload(reload) } else { self.reactor.stop() }
        }
        defer {
            plugins.storage.close()
            pidFile?.remove()
        }
        defer { for transport in started.reversed() { transport.stop() } }
        for transport in plugins.transports {
            try transport.start(on: reactor, host: engine)
            started.append(transport)
        }
        engine.resumeDomains()
        try announce(launcher, whenServing)
        try reactor.run { [engine] now in engine.endTurn(at: now) }
        log.write(.notice, "ending")
        traceFile?.flush()
    }

    /// Tells everybody who waits for it that clients can connect.
    private func announce(_ launcher: Launcher?, _ whenServing: () -> Void) throws {
        try pidFile?.write()
        log.write(.notice, "serving")
        // The launcher exits soon. All lines so far must be on its standard error by then.
        log.flush()
        whenServing()
        do throws(SystemError) {
            try ServiceManager.tell("READY=1")
        } catch {
            log.write(.warning, error.explanation)
        }
        guard let launcher else { return }
        log.moveToSystemLog()
        launcher.release()
    }

    private func reload(_ reload: (Engine) throws -> Void) {
        do throws(SystemError) {
            try traceFile?.reopen()
        } catch {
            log.write(.error, "\(error.explanation); the trace goes on in the old file")
        }
        for named in plugins.all { (named.plugin as? any Restoring)?.restore() }
        do {
            try reload(engine)
        } catch let errors as ConfigurationErrors {
            for line in errors.description.split(separator: "\n") { log.write(.error, String(line)) }
            log.write(.error, "configuration not reloaded, nothing has changed")
        } catch {
            log.write(.error, "configuration not reloaded, nothing has changed: \(error)")
        }
    }
}

private func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
}
