// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text as it may stand in a log, where a line is a line and nothing moves a terminal's cursor.
    ///
    /// Clients decide what is in it: line breaks, control characters and invisible ones are spelled out, so
    /// that nobody can write a line in the daemon's name.
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
