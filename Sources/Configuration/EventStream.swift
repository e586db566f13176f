// SPDX-License-Identifier: Apache-2.0
import CYaml
import XenStorePlugin

/// The events of libyaml, one after the other, as Swift values with places.
struct EventStream: ~Copyable {
    enum Event {
        case streamStart, streamEnd
        case documentStart, documentEnd
        case listStart, listEnd
        case mappingStart, mappingEnd
        case scalar(String, isPlain: Bool)
        case alias(String)
    }

    struct Located {
        var event: Event
        var place: ConfigurationPlace
        /// The anchor (`&name`) and the tag (`!tag`) before the node.
        var anchor: String?
        var tag: String?
    }

    private let text: ConfigurationText
    // libyaml keeps pointers to its parser and to the text, so neither may move.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ text: ConfigurationText) throws(ConfigurationError) {
        self.text = text
        parser = .allocate(capacity: 1)
        input = .allocate(capacity: text.bytes.count)
        _ = input.initialize(from: text.bytes)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            input.deallocate()
            throw ConfigurationError("out of memory", key: "", at: ConfigurationPlace(text.name))
        }
        yaml_parser_set_input_string(parser, input.baseAddress, input.count)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event. After an error there are no more.
    mutating func next() throws(ConfigurationError) -> Located {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { yaml_event_delete(&event) }
        let properties = Self.properties(of: event)
        return Located(
            event: Self.event(event), place: place(of: event.start_mark),
            anchor: properties.anchor.map { String(cString: $0) },
            tag: properties.tag.map { String(cString: $0) })
    }

    private static func event(_ event: yaml_event_t) -> Event {
        switch event.type {
        case YAML_STREAM_START_EVENT: .streamStart
        case YAML_DOCUMENT_START_EVENT: .documentStart
        case YAML_DOCUMENT_END_EVENT: .documentEnd
        case YAML_SEQUENCE_START_EVENT: .listStart
        case YAML_SEQUENCE_END_EVENT: .listEnd
        case YAML_MAPPING_START_EVENT: .mappingStart
        case YAML_MAPPING_END_EVENT: .mappingEnd
        case YAML_ALIAS_EVENT: .alias(String(cString: event.data.alias.anchor))
        case YAML_SCALAR_EVENT:
            .scalar(
                String(
                    decoding: UnsafeBufferPointer(
                        start: event.data.scalar.value, count: event.data.scalar.length),
                    as: UTF8.self),
                isPlain: event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        default: .streamEnd
        }
    }

    /// The properties of a node, as libyaml has them.
    private typealias Properties = (anchor: UnsafeMutablePointer<UInt8>?, tag: UnsafeMutablePointer<UInt8>?)

    private static func properties(of event: yaml_event_t) -> Properties {
        let data = event.data
        return switch event.type {
        case YAML_SCALAR_EVENT: (data.scalar.anchor, data.scalar.tag)
        case YAML_SEQUENCE_START_EVENT: (data.sequence_start.anchor, data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT: (data.mapping_start.anchor, data.mapping_start.tag)
        default: (nil, nil)
        }
    }

    private func place(of mark: yaml_mark_t) -> ConfigurationPlace {
        ConfigurationPlace(file: text.name, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func syntaxError() -> ConfigurationError {
        let failed = parser.pointee
        let problem = failed.problem.map { String(cString: $0) } ?? "out of memory"
        if failed.error == YAML_READER_ERROR {
            // An error of the reader has a byte as its place, but no line.
            return ConfigurationError(
                "not valid YAML: \(problem)", key: "", at: text.place(ofByte: failed.problem_offset))
        }
        let context = failed.context.map {
            " \(String(cString: $0)) that begins at line \(failed.context_mark.line + 1)"
        }
        return ConfigurationError(
            "not valid YAML: \(problem)\(context ?? "")", key: "", at: place(of: failed.problem_mark))
    }
}
