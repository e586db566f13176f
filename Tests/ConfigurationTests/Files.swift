// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The folder of Package.swift, three levels above this file.
let packageFolder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

/// The bytes of a file; nil if it cannot be opened.
func contents(of path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while true {
        let byte = getc(file)
        if byte == EOF { return bytes }
        bytes.append(UInt8(byte))
    }
}
