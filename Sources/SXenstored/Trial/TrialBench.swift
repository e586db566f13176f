// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import PluginConformance
import XenStorePlugin

/// What is tried with a plugin of each kind. It runs in a process of its own.
struct TrialBench {
    private let kind: PluginKind
    private let read: ReadConfiguration
    private let folder: TrialFolder
    /// The command that connects a client; nil for the transport's own unix socket.
    private let client: String?
    private let complaints = Complaints()

    /// What the log says of the plugin's mistakes.
    private final class Complaints: @unchecked Sendable {
        private(set) var all: [String] = []
        func add(_ line: String) { all.append(line) }
        func take() -> [String] {
            defer { all = [] }
            return all.map { "the log says: \($0)" }
        }
    }

    init(_ kind: PluginKind, _ read: ReadConfiguration, folder: TrialFolder, client: String?) {
        self.kind = kind
        self.read = read
        self.folder = folder
        self.client = client
    }

    func run(_ reporter: TrialProcess.Reporter) {
        func step(_ name: String, _ body: () throws -> [String]) {
            reporter.step(name) { try body() + complaints.take() }
        }
        step("load and make") {
            _ = try make()
            return []
        }
        step("count and reload") { try countAndReload() }
        switch kind {
        case .transport:
            var sockets: [String] = []
            step("start and stop, three times") {
                try (1...3).flatMap { _ in
                    let (problems, made) = try startAndStop()
                    sockets = made
                    return problems
                }
            }
            if client == nil, sockets.isEmpty {
                reporter.note("clients: none was tried, as it makes no unix socket in ${rundir}; see --try-client")
            } else {
                step("clients") { try tryClients(at: sockets.first ?? "") }
            }
        case .storage:
            for ending in StorageConformance.Ending.allCases {
                step("keep a store, \(ending == .closed ? "closed" : "left") each time") {
                    try StorageConformance(ending: ending) { try self.make().storage }.problems()
                }
            }
        case .policy:
            step("decide") { PolicyConformance(try make().policies[0]).problems() }
        }
    }

    private func make() throws -> PluginSet {
        let log = PluginLog { [complaints] level, text in if level == .error { complaints.add(text()) } }
        let plugins = try read.configuration.makePlugins(from: read.plugins, log: log)
        try plugins.prepare()
        return plugins
    }

    private func countAndReload() throws -> [String] {
        let plugins = try make()
        var problems: [String] = []
        for (choice, named) in zip(read.configuration.choices, plugins.all) {
            if let measurable = named.measurable {
                let names = measurable.measurements.map(\.name)
                if Set(names).count < names.count { problems.append("it counts two things under one name") }
                if measurable.measurements.map(\.name) != names { problems.append("it counts under changing names") }
            }
            do {
                try named.reloadable?.reload(choice.block)
            } catch {
                problems.append("it refuses the values that it has: \(error)")
            }
        }
        return problems
    }

    // MARK: Transports

    /// Starts and stops the transport. Returns what is wrong, and the sockets that it has made.
    private func startAndStop() throws -> (problems: [String], sockets: [String]) {
        let transport = try makeTransport()
        let host = try EmbeddedHost(storage: make().storage)
        try transport.start(on: HandLoop(), host: host.engine)
        let sockets = folder.sockets
        transport.stop()
        let left = folder.sockets
        for socket in left { unlink("\(folder.path)/\(socket)") }
        if !left.isEmpty { return (["its sockets stay after its end: \(left.joined(separator: ", "))"], sockets) }
        return (try TransportConformance(countsDescriptors: true, making: makeTransport).problems(), sockets)
    }

    private func makeTransport() throws -> any Transport { try make().transports[0] }

    /// Without a command clients say nothing first. A transport may want to hear more, which only its author can say.
    private func tryClients(at socket: String) throws -> [String] {
        // For the command.
        setenv("XENSTORED_RUNDIR", folder.path, 1)
        let kit = TransportConformance(countsDescriptors: true, making: makeTransport) {
            if let client { return try CommandClient(client) }
            return try DescriptorClient(unixSocket: "\(folder.path)/\(socket)")
        }
        let problems = try kit.problems()
        guard client == nil, problems.contains(where: { $0.hasPrefix("one request: a client does not get") }) else {
            return problems
        }
        return [
            "a plain client over '\(socket)' gets no answer; if clients must say something first, say how with"
                + " --try-client, or use TransportConformance of XenStoreTestKit in tests of your own"
        ]
    }
}
