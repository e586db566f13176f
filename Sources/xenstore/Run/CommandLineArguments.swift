// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An argument as it was typed: bytes, valid UTF-8 or not.
typealias Bytes = [UInt8]

/// The process's arguments: bytes, valid UTF-8 or not.
struct CommandLineArguments {
    private let words: ArraySlice<Bytes>

    static var process: Self {
        let count = Int(CommandLine.argc)
        return Self(words: (0..<count).map { CommandLine.unsafeArgv[$0].map { Bytes(cString: $0) } ?? [] }[...])
    }

    var count: Int { words.count }

    /// The arguments without the first one.
    var shifted: Self { Self(words: words.dropFirst()) }

    subscript(index: Int) -> Bytes { index < count ? words[words.startIndex + index] : [] }

    /// The arguments from `index` on.
    subscript(from range: PartialRangeFrom<Int>) -> [Bytes] { Array(words.dropFirst(range.lowerBound)) }
}

extension Bytes {
    init(cString: UnsafePointer<CChar>) {
        self.init(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }

    /// The number at the beginning of the text, as `strtol` and a C `int` read it; 0 if there is none.
    var leadingInt32: Int32 {
        let text = map { CChar(bitPattern: $0) } + [0]
        return Int32(truncatingIfNeeded: strtol(text, nil, 10))
    }
}
