// SPDX-License-Identifier: Apache-2.0
import Spelling
import XenStorePlugin

/// One value of the command line, which overrides that of the file: `policies.quotas.nodes=2000`.
public struct Overlay: Sendable, Equatable {
    /// The key, from the outermost block inwards. It has plugins of a list by name, not by number.
    public var path: [String]
    public var value: String
    /// The option that it came from. Messages name the option in place of a line.
    public var origin: String
    /// Whether a value of the file wins. If the list does not have the plugin, the overlay has no effect.
    public var yields: Bool

    public init(_ path: [String], _ value: String, origin: String, yields: Bool = false) {
        self.path = path
        self.value = value
        self.origin = origin
        self.yields = yields
    }

    /// Reads the form `path.to.key=value`; nil for any other text.
    public init?(_ assignment: String, origin: String) {
        guard let equals = assignment.firstIndex(of: "=") else { return nil }
        let path = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false)
        guard path.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(path.map(String.init), String(assignment[equals...].dropFirst()), origin: origin)
    }

    var place: ConfigurationPlace { ConfigurationPlace(origin) }
}

extension Overlay {
    /// Writes the value into the document, as if the file had it. The check of the document judges key and value later.
    /// Only a value without a place in the document is an error here.
    func apply(to document: inout DocumentNode) throws(ConfigurationError) {
        guard var entries = document.entries, let section = path.first else { return }
        let index = Self.index(of: section, in: &entries, adding: place)
        switch section {
        case PluginKind.storage.section:
            try applyToStorage(&entries[index].value)
        case PluginKind.transport.section, PluginKind.policy.section:
            try applyToList(&entries[index].value)
        default:
            try assign(path.dropFirst(), in: &entries[index].value)
        }
        document.content = .mapping(entries)
    }

    private func applyToStorage(_ storage: inout DocumentNode) throws(ConfigurationError) {
        guard path.count > 1 else {
            storage = scalar(value)
            return
        }
        let name = path[1]
        guard let chosen = storage.pluginName else {
            if storage.isAbsent { throw error("no storage is chosen; give --set storage=\(name) first") }
            return
        }
        guard chosen == name else {
            throw error("the storage is \(quoted(chosen)); give --set storage=\(name) first")
        }
        try assignInPlugin(&storage)
    }

    private func applyToList(_ list: inout DocumentNode) throws(ConfigurationError) {
        guard path.count > 1 else {
            let names = value.split(separator: ",").map(String.init)
            list = DocumentNode(content: .list(names.map(scalar)), place: place)
            return
        }
        guard case .list(var items) = list.content else {
            if list.isAbsent { throw error("there is no list of \(path[0])") }
            return
        }
        let name = path[1]
        guard let index = items.firstIndex(where: { $0.pluginName == name }) else {
            if yields { return }
            let listed = items.compactMap(\.pluginName)
            let others = listed.isEmpty ? "; nothing is" : ", only \(listed.joined(separator: ", "))"
            let problem = "\(quoted(name)) is not listed under \(path[0])\(others)"
            throw error(problem, suggestion: nearest(to: name, among: listed))
        }
        try assignInPlugin(&items[index])
        list.content = .list(items)
    }

    private func assignInPlugin(_ plugin: inout DocumentNode) throws(ConfigurationError) {
        guard path.count > 2 else { throw error("names a plugin; give one of its keys") }
        if yields, plugin.pluginKeys.contains(path[2]) { return }
        if case .scalar(let name, _) = plugin.content {
            // A bare name becomes a block with that name.
            let nothing = DocumentNode(content: .mapping([]), place: plugin.place)
            let entry = DocumentNode.Entry(key: name, keyPlace: plugin.place, value: nothing)
            plugin.content = .mapping([entry])
        }
        try assign(path.dropFirst(), in: &plugin)
    }

    /// Walks down `path`, adds missing blocks, and puts the value at its end.
    private func assign(
        _ path: ArraySlice<String>, in node: inout DocumentNode
    ) throws(ConfigurationError) {
        guard let key = path.first else {
            node = scalar(value)
            return
        }
        if case .refused = node.content { return }
        guard var entries = node.entries else {
            throw error("\(quoted(key)) has no place in \(node.whatItIs)")
        }
        let index = Self.index(of: key, in: &entries, adding: place)
        try assign(path.dropFirst(), in: &entries[index].value)
        node.content = .mapping(entries)
    }

    private static func index(
        of key: String, in entries: inout [DocumentNode.Entry], adding place: ConfigurationPlace
    ) -> Int {
        if let index = entries.firstIndex(where: { $0.key == key }) { return index }
        let absent = DocumentNode(content: .scalar("", isPlain: true), place: place)
        entries.append(.init(key: key, keyPlace: place, value: absent))
        return entries.count - 1
    }

    private func scalar(_ text: String) -> DocumentNode {
        DocumentNode(content: .scalar(text, isPlain: true), place: place)
    }

    private func error(_ problem: String, suggestion: String? = nil) -> ConfigurationError {
        ConfigurationError(
            problem, key: path.reduce("", dotted), at: place, suggestion: suggestion)
    }
}

extension DocumentNode {
    /// The keys in the block of a plugin.
    fileprivate var pluginKeys: [String] { entries?.first?.value.entries?.map(\.key) ?? [] }

    /// The plugin that an item of a list, or a storage, names.
    var pluginName: String? {
        switch content {
        case .scalar(let name, _) where !isAbsent: name
        case .mapping(let entries): entries.first?.key
        default: nil
        }
    }
}
