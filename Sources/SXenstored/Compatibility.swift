// SPDX-License-Identifier: Apache-2.0
import Configuration

/// An option of C xenstored or oxenstored. Start scripts that were written for these daemons must keep working.
struct CompatibilityOption {
    enum Argument {
        case none
        case required(String)
        /// One of these words, or nothing.
        case optional([String])
    }

    enum Meaning {
        /// An option of ours. The parser of our own options reads it.
        case ours
        /// Another spelling of an option of ours.
        case spelling(String)
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

    var short: Character?
    var long: String
    var argument: Argument
    var meaning: Meaning

    init(_ short: Character?, _ long: String, _ argument: Argument = .none, _ meaning: Meaning) {
        self.short = short
        self.long = long
        self.argument = argument
        self.meaning = meaning
    }
}

extension CompatibilityOption {
    var takesArgument: Bool {
        if case .none = argument { false } else { true }
    }

    private static let noLiveUpdate =
        "live update is not supported in this version; to keep guests running, do not restart the daemon"

    /// Our own options come first. They are listed so that `-NF file` is split as getopt would split it.
    static let all: [CompatibilityOption] = [
        .init("N", "no-fork", .none, .ours),
        .init("F", "pid-file", .required("file"), .ours),
        .init("T", "trace-file", .required("file"), .ours),
        .init("P", "output-pid", .none, .ours),
        .init("h", "help", .none, .ours),
        .init(nil, "config", .required("file"), .ours),
        .init(nil, "set", .required("key=value"), .ours),
        .init(nil, "check-store", .required("file"), .ours),
        .init(nil, "repair-store", .required("file"), .ours),

        .init("H", "help", .none, .spelling("--help")),
        .init(nil, "config-test", .none, .spelling("--check-config")),
        .init("V", "verbose", .none, .fixes("log.level=debug")),
        .init("E", "entry-nb", .required("n"), .sets("policies.quotas.nodes")),
        .init("S", "entry-size", .required("n"), .sets("policies.quotas.node-size")),
        .init("W", "watch-nb", .required("n"), .sets("policies.quotas.watches")),
        .init("t", "transaction", .required("n"), .sets("policies.quotas.transactions")),
        .init("A", "perm-nb", .required("n"), .sets("policies.quotas.node-permissions")),
        .init("M", "path-max", .required("n"), .sets("policies.quotas.path-max")),
        .init("Q", "quota", .required("what=n"), .assigns(below: "policies.quotas")),
        .init("q", "quota-soft", .required("memory=n"), .assignsOnly("memory", to: "policies.quotas.soft-memory")),

        .init("U", "live-update", .none, .refused(noLiveUpdate)),
        .init(nil, "live", .none, .refused(noLiveUpdate)),

        .init("D", "no-domain-init", .none, .ignored("the configuration lists the transports")),
        .init("I", "internal-db", .optional(["on", "off"]), .ignored("the configuration chooses the storage")),
        .init("K", "keep-orphans", .none, .ignored("no nodes are ever orphaned")),
        .init("R", "no-recovery", .none, .ignored("the storage always recovers the store")),
        .init("e", "event", .required("port"), .ignored("the daemon runs in dom0")),
        .init("m", "master-domid", .required("domid"), .ignored("the daemon runs in dom0")),
        .init("p", "priv-domid", .required("domid"), .ignored("dom0 is the privileged domain")),
        .init(
            "w", "timeout", .required("watch-event=s"),
            .ignored("policies.quotas.event-timeout limits how long guests wait for a slow reader of events")),
        .init(nil, "trace-control", .required("+sw|-sw"), .ignored("a trace holds everything")),
        .init(nil, "config-file", .required("file"), .ignored("it is in oxenstored's format; give ours with --config")),
        .init(nil, "disable-socket", .none, .ignored("sockets are served if the configuration lists them")),
        .init(nil, "no-access-log", .none, .ignored("there is no access log")),
        .init(nil, "reraise-top-level", .none, .ignored("it is for debugging oxenstored")),
        .init(nil, "restart", .none, .ignored("the daemon loads the stored store at every start")),
    ]

    /// The section of `--help` about these options: first those that set a key, then those without effect.
    static var manual: String {
        let width = all.filter { $0.equivalent != nil }.map { $0.synopsis.count }.max() ?? 0
        let equivalents = all.compactMap { option in
            option.equivalent.map { equivalent in
                "  \(option.synopsis)\(String(repeating: " ", count: width - option.synopsis.count))  \(equivalent)"
            }
        }
        let ignored = all.filter { if case .ignored = $0.meaning { true } else { false } }.map(\.synopsis)
        let refused = all.filter { if case .refused = $0.meaning { true } else { false } }.map(\.synopsis)
        return """
            \(equivalents.joined(separator: "\n"))
            Accepted, but without effect: \(ignored.joined(separator: "; ")).
            Refused: \(refused.joined(separator: "; ")).
            """
    }

    private var synopsis: String {
        let names = (short.map { "-\($0), " } ?? "") + "--\(long)"
        return switch argument {
        case .none: names
        case .required(let what): "\(names) \(what)"
        case .optional(let words): "\(names) [\(words.joined(separator: "|"))]"
        }
    }

    /// Our own way to write the same.
    private var equivalent: String? {
        switch meaning {
        case .spelling(let option): option
        case .sets(let key): "--set \(key)=n"
        case .assigns(let block): "--set \(block).what=n"
        case .assignsOnly(_, let key): "--set \(key)=n"
        case .fixes(let assignment): "--set \(assignment)"
        case .ours, .ignored, .refused: nil
        }
    }
}
