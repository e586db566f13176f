// SPDX-License-Identifier: Apache-2.0
import Spelling
import XenStorePlugin

/// Checks a document against the plugins and their keys, and collects all errors.
struct ConfigurationCheck {
    var registry: PluginRegistry
    let runDirectory: String
    let load: PluginLoader?
    var errors: [ConfigurationError] = []

    init(registry: PluginRegistry, runDirectory: String, load: PluginLoader? = nil) {
        self.registry = registry
        self.runDirectory = runDirectory
        self.load = load
    }

    static let sections = ["plugins", "daemon", "transports", "storage", "policies", "log"]

    /// The checked configuration; nil if there is an error that prevents it.
    mutating func configuration(from document: DocumentNode) -> EffectiveConfiguration? {
        guard let entries = document.entries else {
            if case .refused = document.content { return nil }
            let sections = Self.sections.joined(separator: ", ")
            refuse("a configuration is a block of keys (\(sections)), not \(document.whatItIs)", "", document.place)
            return nil
        }
        for entry in entries where !Self.sections.contains(entry.key) {
            refuseUnknown(entry, in: "", known: Self.sections)
        }
        func section(_ name: String) -> DocumentNode? { entries.first { $0.key == name }?.value }

        let files = pluginFiles(section("plugins"))
        let daemon = block(section("daemon"), EffectiveConfiguration.daemonKeys, path: "daemon")
        let transports = list(of: .transport, section("transports"), in: document)
        let storage = storage(section("storage"), in: document)
        let policies = list(of: .policy, section("policies"), in: document)
        let log = block(section("log"), EffectiveConfiguration.logKeys, path: "log")

        guard let storage else { return nil }
        let configuration = EffectiveConfiguration(
            pluginFiles: files, transports: transports, storage: storage, policies: policies, daemon: daemon, log: log)
        refuseSharedFiles(configuration.files)
        return configuration
    }

    mutating func refuse(
        _ problem: String, _ key: String, _ place: ConfigurationPlace?, suggestion: String? = nil
    ) {
        errors.append(ConfigurationError(problem, key: key, at: place, suggestion: suggestion))
    }

    /// Returns the known key that was meant, if one is near.
    @discardableResult
    mutating func refuseUnknown(_ entry: DocumentNode.Entry, in path: String, known: [String]) -> String? {
        let suggestion = nearest(to: entry.key, among: known)
        var problem = "unknown key"
        if suggestion == nil {
            problem += known.isEmpty ? "; there are no keys here" : "; there are: " + known.joined(separator: ", ")
        }
        refuse(problem, dotted(path, entry.key), entry.keyPlace, suggestion: suggestion)
        return suggestion
    }
}

// MARK: - Plugins

extension ConfigurationCheck {
    private mutating func list(
        of kind: PluginKind, _ node: DocumentNode?, in document: DocumentNode
    ) -> [EffectiveConfiguration.Choice] {
        guard let node else {
            let how =
                kind == .policy
                ? "list the policies, or write 'policies: []' to have none" : "list at least one"
            refuse("missing; \(how)", kind.section, document.place)
            return []
        }
        guard case .list(let items) = node.content else {
            refuseNonList(node, kind)
            return []
        }
        if items.isEmpty, kind == .transport {
            refuse("none is listed, so nobody could connect", kind.section, node.place)
        }
        var choices: [EffectiveConfiguration.Choice] = []
        for item in items {
            guard let choice = plugin(item, kind) else { continue }
            if let problem = Neighbours(choices, registry.plugins(of: kind)).problem(of: choice) {
                refuse(problem, choice.block.path, choice.block.place)
            } else {
                choices.append(choice)
            }
        }
        return choices
    }

    private mutating func refuseNonList(_ node: DocumentNode, _ kind: PluginKind) {
        switch node.content {
        case .refused: break
        case .mapping(let entries):
            let example = entries.first.map { "'- \($0.key):'" } ?? "'- name:'"
            refuse("must be a list: put a dash before each plugin, as in \(example)", kind.section, node.place)
        default:
            refuse("must be a list of plugins, not \(node.whatItIs)", kind.section, node.place)
        }
    }

    private mutating func storage(
        _ node: DocumentNode?, in document: DocumentNode
    ) -> EffectiveConfiguration.Choice? {
        let names = registry.plugins(of: .storage).map(\.name).joined(separator: ", ")
        guard let node else {
            refuse("missing; choose one of: \(names)", "storage", document.place)
            return nil
        }
        switch node.content {
        case .list(let items):
            let chosen = items.first?.pluginName ?? "memory"
            refuse(
                "takes one plugin, not a list; write 'storage: \(chosen)'", "storage", node.place)
            return nil
        case .scalar where node.isAbsent:
            refuse("names no plugin; choose one of: \(names)", "storage", node.place)
            return nil
        default:
            return plugin(node, .storage)
        }
    }

    /// A bare name, or a name with a block.
    private mutating func plugin(
        _ node: DocumentNode, _ kind: PluginKind
    ) -> EffectiveConfiguration.Choice? {
        switch node.content {
        case .refused:
            return nil
        case .scalar(let name, _) where !node.isAbsent:
            return plugin(named: name, nil, kind, at: node.place)
        case .mapping(let entries):
            guard let first = entries.first else { break }
            for extra in entries.dropFirst() { refuseSecond(extra, after: first, kind) }
            return plugin(named: first.key, first.value, kind, at: first.keyPlace)
        default: break
        }
        refuse("must name a plugin, not be \(node.whatItIs)", kind.section, node.place)
        return nil
    }

    /// The problem if there are two keys in place of one plugin. The second key is another plugin, or more often a key
    /// of the first plugin with too little indentation.
    private mutating func refuseSecond(
        _ extra: DocumentNode.Entry, after first: DocumentNode.Entry, _ kind: PluginKind
    ) {
        let type = registry.plugins(of: kind).first { $0.name == PluginName(first.key).plugin }
        let problem =
            if type?.keys.contains(where: { $0.name == extra.key }) == true {
                "a key of \(quoted(first.key)); indent it further than that name"
            } else if kind == .storage {
                "a second storage beside \(quoted(first.key)); there can be one"
            } else {
                "a second plugin in one item, after \(quoted(first.key)); put a dash before it"
            }
        refuse(problem, dotted(kind.section, extra.key), extra.keyPlace)
    }

    private mutating func plugin(
        named name: String, _ node: DocumentNode?, _ kind: PluginKind, at place: ConfigurationPlace
    ) -> EffectiveConfiguration.Choice? {
        let path = dotted(kind.section, name)
        let types = registry.plugins(of: kind)
        let parts = PluginName(name)
        guard let type = types.first(where: { $0.name == parts.plugin }) else {
            let meant = nearest(to: String(parts.plugin), among: types.map { $0.name }).map(parts.named)
            refuse(unknownPlugin(String(parts.plugin), kind), path, place, suggestion: meant)
            return nil
        }
        guard parts.isWord else {
            refuse("the name after '@' must be 1 to 32 letters, digits, '-' and '_'", path, place)
            return nil
        }
        guard kind != .storage || parts.own == nil else {
            refuse("there is one storage, so it has no name of its own", path, place, suggestion: type.name)
            return nil
        }
        let block = block(node, type.keys, path: path, at: place)
        return .init(name: name, block: block, keys: type.keys)
    }

    private func unknownPlugin(_ name: String, _ kind: PluginKind) -> String {
        for other in PluginKind.allCases where other != kind {
            if registry.plugins(of: other).contains(where: { $0.name == name }) {
                return "is not one of the \(kind.plural); it belongs under '\(other.section)'"
            }
        }
        let known = registry.plugins(of: kind).map { $0.name }.joined(separator: ", ")
        return "no such plugin in this build; there are: \(known)"
    }
}

extension PluginKind {
    var plural: String {
        switch self {
        case .transport: "transports"
        case .storage: "storages"
        case .policy: "policies"
        }
    }
}
