// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The daemon's log. It also shows every message while the switch `io` is on.
final class Trace {
    let log: (LogLevel, String) -> Void
    var switches = LogSwitches()
    /// Gets every message instead of the log.
    var tracer: ((TraceEntry) -> Void)?

    init(log: @escaping (LogLevel, String) -> Void) { self.log = log }

    @inline(__always)
    func show(isRequest: Bool, _ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        if switches.io { write(isRequest: isRequest, header, payload, session) }
    }

    private func write(isRequest: Bool, _ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        let entry = TraceEntry(
            isRequest: isRequest, session: session.number, domain: session.domain,
            operation: Operation(rawValue: header.type).map { "\($0.name)" } ?? "\(header.type)",
            payload: String(decoding: payload.map { $0 < 32 ? 32 : $0 }, as: UTF8.self))
        if let tracer { return tracer(entry) }
        log(.info, "io: \(isRequest ? "IN" : "OUT") \(session.name) \(entry.operation) (\(entry.payload))")
    }
}

/// The classes of the daemon's trace, which CONTROL `log` turns on and off. Only `io` has an effect; the others exist
/// because C xenstored has them.
struct LogSwitches {
    /// Every request, reply and event.
    var io = false
    private var others: [(name: String, isOn: Bool)] = [("obj", false), ("wrl", false), ("acc", false), ("tdb", false)]

    /// All switches, in the order in which they are shown.
    var all: [(String, Bool)] {
        [(others[0].name, others[0].isOn), ("io", io)] + others.dropFirst().map { ($0.name, $0.isOn) }
    }

    /// Reads `on`, `off`, `+name` or `-name`. Returns false for anything else, and changes nothing then.
    mutating func set(_ word: String) -> Bool {
        switch word {
        case "on": io = true
        case "off":
            io = false
            for index in others.indices { others[index].isOn = false }
        case "+io": io = true
        case "-io": io = false
        default:
            guard let sign = word.first, sign == "+" || sign == "-",
                let index = others.firstIndex(where: { $0.name == word.dropFirst() })
            else { return false }
            others[index].isOn = sign == "+"
        }
        return true
    }
}
