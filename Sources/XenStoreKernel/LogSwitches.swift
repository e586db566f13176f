// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What CONTROL `log` turns on and off: the classes of the daemon's trace.
struct LogSwitches {
    /// Every request, reply and event.
    var io = false
    private var others: [(name: String, isOn: Bool)] = [("obj", false), ("wrl", false), ("acc", false), ("tdb", false)]

    /// In the order in which they are shown.
    var all: [(String, Bool)] {
        [(others[0].name, others[0].isOn), ("io", io)] + others.dropFirst().map { ($0.name, $0.isOn) }
    }

    /// `on`, `off`, `+name` or `-name`; false for anything else, which changes nothing.
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

extension Kernel {
    /// One line of the trace: direction, who, what, and the payload with blanks for NULs.
    func trace(_ direction: StaticString, _ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        let name = Operation(rawValue: header.type).map { "\($0.name)" } ?? "type \(header.type)"
        let text = String(decoding: payload.map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
        log(.info, "io: \(direction) \(session.peer.transport) \(session.number) (d\(session.domain.rawValue)) \(name) (\(text))")
    }

    /// Turns classes of the trace on or off before a client can: `--trace-file`, `--trace-control`.
    public func setLogSwitch(_ word: String) -> Bool { logSwitches.set(word) }
}
