// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Registers the plugin of a shared object, or throws why it cannot be used. It runs no code of the file.
public typealias PluginLoader = (_ file: String, inout PluginRegistry) throws(PluginFileProblem) -> Void

/// Why a shared object cannot be used, as a message says it after the name of the file.
public struct PluginFileProblem: Error {
    let text: String
    public init(_ text: String) { self.text = text }
}

extension ConfigurationCheck {
    /// The shared objects that the configuration lists. Their plugins are known from here on.
    mutating func pluginFiles(_ node: DocumentNode?) -> [String] {
        guard let node, !node.isAbsent else { return [] }
        guard case .list(let files)? = value(node, .list(.path), path: "plugins") else { return [] }
        var known: [String] = []
        for (file, place) in zip(files, places(in: node)) {
            guard case .text(let file) = file else { continue }
            if known.contains(file) {
                refuse("'\(file)' is listed twice", "plugins", place)
            } else if register(file, at: place) {
                known.append(file)
            }
        }
        return known
    }

    private func places(in node: DocumentNode) -> [ConfigurationPlace] {
        if case .list(let items) = node.content { items.map(\.place) } else { [node.place] }
    }

    private mutating func register(_ file: String, at place: ConfigurationPlace) -> Bool {
        guard let load else {
            refuse("this program loads no plugins from files", "plugins", place)
            return false
        }
        do throws(PluginFileProblem) {
            try load(file, &registry)
            return true
        } catch {
            refuse("\(quoted(file)): \(error.text)", "plugins", place)
            return false
        }
    }
}
