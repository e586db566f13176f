// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin
import XenStoreWire

/// Writes a line of JSON for each request. It refuses nothing, and never writes a value of a node.
public final class AuditTrail: Policy, RequestObserver, Preparable, Reloadable, Restoring, Measurable {
    public static let name = "audit-trail"
    public static let summary = "Writes who has asked for what into a file, a line of JSON for each request."
    public static let keys = [
        ConfigurationKey(
            "path", .path, default: .text("${rundir}/audit.jsonl"),
            "The file. Its folder must exist. SIGHUP opens it again."),
        ConfigurationKey("mode", .mode, default: .number(0o600), "Permission bits of a new file, in octal."),
        ConfigurationKey(
            "requests", .choice(["all", "changes", "refused"]), default: .text("changes"),
            "Which requests have a line: `changes` are those that change something if they are not refused."),
    ]

    private var configuration: ConfigurationBlock
    private var scope = Scope.changes
    private var file: LineFile
    private var lost: UInt64 = 0
    /// Lost since the last line in the file.
    private var missing: UInt64 = 0
    private var written: UInt64 = 0

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        self.configuration = configuration
        file = Self.file(configuration)
        scope = configuration.text("requests").flatMap(Scope.init) ?? .changes
    }

    private static func file(_ configuration: ConfigurationBlock) -> LineFile {
        LineFile(configuration.text("path") ?? "", mode: configuration.number("mode") ?? 0o600)
    }

    /// A daemon without its audit trail does not start.
    public func prepare() throws(ConfigurationError) {
        // A file that may not grow is an error like a full disk, and not the end of the daemon.
        signal(SIGXFSZ, SIG_IGN)
        if let problem = file.open() { throw configuration.error(problem, key: "path") }
    }

    /// Takes other values, or the same ones: SIGHUP. If a new path cannot be opened, the old file stays.
    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let new = Self.file(configuration)
        if new.path != file.path {
            if let problem = new.open() { throw configuration.error(problem, key: "path") }
            file = new
        }
        file.mode = new.mode
        self.configuration = configuration
        scope = configuration.text("requests").flatMap(Scope.init) ?? .changes
    }

    /// SIGHUP: somebody may have renamed the file, as logrotate does.
    public func restore() {
        if let problem = file.open() { configuration.log.error("\(problem); the old file goes on") }
    }

    public func finished(_ request: FinishedRequest) {
        guard scope.includes(request) else { return }
        let line = AuditLine.text(of: request)
        // Both or none, so that a full disk does not take one gap after the other.
        if let problem = file.append(missing > 0 ? AuditLine.gap(missing) + line : line) {
            if missing == 0 { configuration.log.error("\(problem); requests go on without a line") }
            lost += 1
            missing += 1
            return
        }
        if missing > 0 { configuration.log.notice("the file works again; \(missing) lines are missing") }
        missing = 0
        written += 1
    }

    public var measurements: [Measurement] {
        [
            .total("lines", written, "Lines in the file."),
            .total("lost-lines", lost, "Lines that could not be written."),
        ]
    }
}

/// Which requests have a line.
private enum Scope: String {
    case all, changes, refused

    func includes(_ request: FinishedRequest) -> Bool {
        switch self {
        case .all: true
        case .refused: request.error != nil
        case .changes: request.operation.map(Self.changing.contains) ?? true
        }
    }

    /// The operations that change the store or the daemon. The commit of a transaction is one.
    private static let changing: Set<XenStoreWire.Operation> = [
        .control, .write, .makeDirectory, .remove, .setPermissions, .introduce, .release, .resume, .setTarget,
        .transactionEnd, .setFeature, .setQuota,
    ]
}
