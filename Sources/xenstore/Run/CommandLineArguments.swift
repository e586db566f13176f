// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An argument as it was typed: bytes, valid UTF-8 or not.
typealias Bytes = [UInt8]

/// The process's arguments, kept as the C strings that `getopt_long` wants.
struct CommandLineArguments {
    let count: Int
    private let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    static var process: Self {
        Self(count: Int(CommandLine.argc), pointers: CommandLine.unsafeArgv)
    }

    /// The arguments without the first one.
    var shifted: Self { Self(count: count - 1, pointers: pointers + 1) }

    /// For `getopt_long`, which sorts the pointers.
    var argc: Int32 { Int32(truncatingIfNeeded: count) }
    var argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> { pointers }

    subscript(index: Int) -> Bytes {
        guard index < count, let pointer = pointers[index] else { return [] }
        return Bytes(cString: pointer)
    }

    /// The arguments from `index` on.
    subscript(from range: PartialRangeFrom<Int>) -> [Bytes] {
        range.lowerBound < count ? (range.lowerBound..<count).map { self[$0] } : []
    }
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

    func appending(_ text: some Sequence<UInt8>) -> Bytes { self + Bytes(text) }
}
