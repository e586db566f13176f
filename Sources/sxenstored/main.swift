// SPDX-License-Identifier: Apache-2.0
import Glibc
import ReadOnlySocket
import UnixSocket
import XenStoreKernel

// Stands in for the command line and the configuration until they are merged:
//   sxenstored RUNDIR [--fork] [--pid-file F]
final class Nothing: Storage {
    static let name = "nothing"
    static let summary = "Keeps nothing."
    static let keys: [ConfigurationKey] = []
    init(_ configuration: ConfigurationBlock) {}
    let wantsBatches = false
    func load(into loader: StateLoader) {}
    func commit(_ batch: borrowing ChangeBatch) {}
    func close() {}
}

func standIn() -> Int32 {
    let arguments = CommandLine.arguments
    guard arguments.count > 1 else { return 2 }
    var options = ServeOptions(forks: arguments.contains("--fork"), logLevel: .info)
    if let at = arguments.firstIndex(of: "--pid-file"), at + 1 < arguments.count { options.pidFile = arguments[at + 1] }
    do {
        let transports: [any Transport] = [
            try UnixSocket(.init(defaultsOf: UnixSocket.keys).with("path", .text(arguments[1] + "/socket"))),
            try ReadOnlySocket(.init(defaultsOf: ReadOnlySocket.keys).with("path", .text(arguments[1] + "/socket_ro"))),
        ]
        return serve(transports: transports, storage: Nothing(.init([:])), policies: [], options: options)
    } catch {
        DaemonLog.shared.write(.error, "\(error)")
        return 2
    }
}
exit(standIn())
