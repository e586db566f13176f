// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// A policy that refuses nothing. It writes each request to the log, and can leave out those that were refused.
final class AuditTrail: Policy, RequestObserver, Reloadable {
    static let name = "audit-trail"
    static let summary = "Writes to the log who has asked for what."
    static let keys = [
        ConfigurationKey("prefix", .text, default: .text("seen"), "The word that each line begins with."),
        ConfigurationKey("refused", .flag, default: .flag(true), "Whether refused requests have a line, too."),
    ]

    private var configuration: ConfigurationBlock

    init(_ configuration: ConfigurationBlock) { self.configuration = configuration }

    /// For the tests of a reload, `bad` is what only a running plugin finds wrong.
    func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        if configuration.text("prefix") == "bad" { throw configuration.error("is a bad prefix", key: "prefix") }
        self.configuration = configuration
    }

    func finished(_ request: FinishedRequest) {
        if request.error != nil, !configuration.flag("refused") { return }
        let prefix = configuration.text("prefix") ?? ""
        let operation = request.operation.map { "\($0.name)" } ?? "\(request.type)"
        let path = String(decoding: request.path, as: UTF8.self)
        let outcome = request.error.map { "\($0)" } ?? "ok"
        configuration.log.notice(
            "\(prefix): domain \(request.peer.domain.rawValue), \(request.peer.transport): \(operation) \(path): \(outcome)"
        )
    }
}
