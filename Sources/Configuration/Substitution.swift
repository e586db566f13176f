// SPDX-License-Identifier: Apache-2.0

// The standard library's functions that look for a text in a text are those of regular expressions. They would add 2 MB
// to the daemon.

/// The path with the folder in place of each `${rundir}`.
func replaceRunDirectory(in path: String, by folder: String) -> String {
    let variable = "${rundir}"
    var result = ""
    var rest = path[...]
    while let start = rest.firstIndex(of: "$") {
        result += rest[..<start]
        rest = rest[start...]
        if rest.hasPrefix(variable) {
            result += folder
            rest = rest.dropFirst(variable.count)
        } else {
            result.append(rest.removeFirst())
        }
    }
    return result + rest
}

/// Whether something in the path looks like a variable.
func hasVariable(_ path: String) -> Bool {
    zip(path.utf8, path.utf8.dropFirst()).contains { $0 == UInt8(ascii: "$") && $1 == UInt8(ascii: "{") }
}
