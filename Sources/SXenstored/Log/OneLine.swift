// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text on one line, with line breaks, control characters and invisible characters spelled out.
    ///
    /// Clients choose parts of what the daemon logs. A line break would let them write a line in the daemon's name,
    /// and a control character would move a terminal's cursor.
    var onOneLine: String {
        if utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) { return self }
        var line = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: line += scalar.escaped(asASCII: true)
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }
}
