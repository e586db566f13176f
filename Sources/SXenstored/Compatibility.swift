// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// What an option of C xenstored or oxenstored means here. Start scripts that were written for these daemons must keep
/// working.
enum Compatibility: Sendable {
    /// Sets this key to the argument.
    case sets(String)
    /// The argument is `what=n`: sets the key `what` below this one to `n`.
    case assigns(below: String)
    /// The argument is `what=n` with this word as `what`: sets the key to `n`.
    case assignsOnly(String, to: String)
    /// Sets a key to a value.
    case fixes(String)
    case ignored(String)
    case refused(String)
}

extension DaemonOption {
    private static let noLiveUpdate =
        "live update is not supported in this version; to keep guests running, do not restart the daemon"

    /// The options of other daemons.
    static let others: [DaemonOption] = [
        .init("H", nil, does: .help),
        .init(nil, "config-test", does: .checkConfig),
        .init("V", "verbose", does: .fixes("log.level=debug")),
        .init("E", "entry-nb", .required("n"), does: .sets("policies.quotas.nodes")),
        .init("S", "entry-size", .required("n"), does: .sets("policies.quotas.node-size")),
        .init("W", "watch-nb", .required("n"), does: .sets("policies.quotas.watches")),
        .init("t", "transaction", .required("n"), does: .sets("policies.quotas.transactions")),
        .init("A", "perm-nb", .required("n"), does: .sets("policies.quotas.node-permissions")),
        .init("M", "path-max", .required("n"), does: .sets("policies.quotas.path-max")),
        .init("Q", "quota", .required("what=n"), does: .assigns(below: "policies.quotas")),
        .init(
            "q", "quota-soft", .required("memory=n"), does: .assignsOnly("memory", to: "policies.quotas.soft-memory")),

        .init("m", "master-domid", .required("domid"), does: .sets("transports.event-channel-ring.master-domid")),
        .init("p", "priv-domid", .required("domid"), does: .sets("transports.event-channel-ring.priv-domid")),
        .init("U", "live-update", does: .refused(noLiveUpdate)),
        .init(nil, "live", does: .refused(noLiveUpdate)),

        .init("D", "no-domain-init", does: .ignored("the configuration lists the transports")),
        .init("I", "internal-db", .optional(["on", "off"]), does: .ignored("the configuration chooses the storage")),
        .init("K", "keep-orphans", does: .ignored("no nodes are ever orphaned")),
        .init("R", "no-recovery", does: .ignored("the storage always recovers the store")),
        .init("e", "event", .required("port"), does: .ignored("the daemon runs in dom0")),
        .init(
            "w", "timeout", .required("watch-event=s"),
            does: .ignored("policies.quotas.event-timeout limits how long guests wait for a slow reader of events")),
        .init(nil, "trace-control", .required("+sw|-sw"), does: .ignored("a trace holds everything")),
        .init(
            nil, "config-file", .required("file"),
            does: .ignored("it is in oxenstored's format; give ours with --config")),
        .init(nil, "disable-socket", does: .ignored("sockets are served if the configuration lists them")),
        .init(nil, "no-access-log", does: .ignored("there is no access log")),
        .init(nil, "reraise-top-level", does: .ignored("it is for debugging oxenstored")),
        .init(nil, "restart", does: .ignored("the daemon loads the stored store at every start")),
    ]

    /// An option of another daemon that has a meaning of its own.
    private init(
        _ letter: Character?, _ name: String, _ argument: Argument = .none, does compatibility: Compatibility
    ) {
        self.init(letter, name, argument, does: .compatible(compatibility))
    }

    /// The options of other daemons that set a key, with our own way to write the same.
    static var equivalents: [(synopsis: String, ours: String)] {
        others.compactMap { option in option.equivalent.map { (option.synopsis, $0) } }
    }

    /// The options without effect.
    static var ignored: [String] {
        others.filter { if case .compatible(.ignored) = $0.meaning { true } else { false } }.map(\.synopsis)
    }

    static var refused: [String] {
        others.filter { if case .compatible(.refused) = $0.meaning { true } else { false } }.map(\.synopsis)
    }

    private var equivalent: String? {
        switch meaning {
        case .help: "--help"
        case .checkConfig: "--check-config"
        case .compatible(.sets(let key)): "--set \(key)=n"
        case .compatible(.assigns(let block)): "--set \(block).what=n"
        case .compatible(.assignsOnly(_, let key)): "--set \(key)=n"
        case .compatible(.fixes(let assignment)): "--set \(assignment)"
        default: nil
        }
    }
}
