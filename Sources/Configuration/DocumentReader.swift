// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Builds the tree of a configuration, which is one document. It accepts the parts of YAML that a configuration needs:
/// mappings, lists and scalars. It refuses the rest by name.
struct DocumentReader: ~Copyable {
    /// The deepest allowed level. A configuration needs seven.
    private static let depthMax = 16

    private var stream: EventStream
    /// The errors that leave the rest readable.
    private(set) var errors: [ConfigurationError] = []

    init(_ text: ConfigurationText) throws(ConfigurationError) {
        stream = try EventStream(text)
    }

    /// The document's top node; nil if the text is empty. Throws an error if the rest cannot be read.
    mutating func read() throws(ConfigurationError) -> DocumentNode? {
        while true {
            let next = try stream.next()
            switch next.event {
            case .streamStart: continue
            case .documentStart: return try readDocument()
            default: return nil
            }
        }
    }

    private mutating func readDocument() throws(ConfigurationError) -> DocumentNode {
        let top = try node(from: try stream.next(), path: "", depth: 0)
        while true {
            let next = try stream.next()
            switch next.event {
            case .documentEnd: continue
            case .documentStart:
                throw ConfigurationError(
                    "a second document begins here; a configuration is one", key: "", at: next.place)
            default: return top
            }
        }
    }

    private mutating func node(
        from first: EventStream.Located, path: String, depth: Int
    ) throws(ConfigurationError) -> DocumentNode {
        guard depth < Self.depthMax else {
            throw ConfigurationError("nested too deeply", key: "", at: first.place)
        }
        if let anchor = first.anchor {
            refuse("anchors are not supported (\(quoted("&" + anchor)))", path, first.place)
        }
        var content: DocumentNode.Content
        switch first.event {
        case .scalar(let text, let isPlain):
            content = .scalar(text, isPlain: isPlain)
        case .listStart:
            content = .list(try items(path: path, depth: depth))
        case .mappingStart:
            content = .mapping(try entries(path: path, depth: depth))
        case .alias(let name):
            refuse("aliases are not supported (\(quoted("*" + name))); write it out", path, first.place)
            content = .refused
        default:
            content = .scalar("", isPlain: true)
        }
        if let tag = first.tag {
            refuse("tags are not supported (\(quoted(tag)))", path, first.place)
            content = .refused
        }
        return DocumentNode(content: content, place: first.place)
    }

    private mutating func items(
        path: String, depth: Int
    ) throws(ConfigurationError) -> [DocumentNode] {
        var items: [DocumentNode] = []
        while true {
            let next = try stream.next()
            if case .listEnd = next.event { return items }
            items.append(try node(from: next, path: path, depth: depth + 1))
        }
    }

    private mutating func entries(
        path: String, depth: Int
    ) throws(ConfigurationError) -> [DocumentNode.Entry] {
        var entries: [DocumentNode.Entry] = []
        var lineOfKey: [String: Int] = [:]
        while true {
            let next = try stream.next()
            if case .mappingEnd = next.event { return entries }
            let keyNode = try node(from: next, path: path, depth: depth + 1)
            guard case .scalar(let key, _) = keyNode.content else {
                _ = try node(from: try stream.next(), path: path, depth: depth + 1)
                if case .refused = keyNode.content { continue }
                refuse("a key must be a word, not \(keyNode.whatItIs)", path, keyNode.place)
                continue
            }
            let keyPath = dotted(path, key)
            let value = try node(from: try stream.next(), path: keyPath, depth: depth + 1)
            if let line = lineOfKey[key] {
                refuse("given twice; it already stands in line \(line)", keyPath, keyNode.place)
                continue
            }
            lineOfKey[key] = keyNode.place.line
            entries.append(.init(key: key, keyPlace: keyNode.place, value: value))
        }
    }

    private mutating func refuse(_ problem: String, _ path: String, _ place: ConfigurationPlace) {
        errors.append(ConfigurationError(problem, key: path, at: place))
    }
}

/// A key with the blocks around it, as messages name it.
func dotted(_ path: String, _ key: String) -> String {
    let shown = quoted(key).dropFirst().dropLast()
    return path.isEmpty ? String(shown) : "\(path).\(shown)"
}
