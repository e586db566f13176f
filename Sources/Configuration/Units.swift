// SPDX-License-Identifier: Apache-2.0

/// How numbers with a unit are written: `500ms`, `64KiB`.
struct Units {
    /// The names, each with how many of the smallest unit it is. They go up.
    private let units: [(name: String, factor: Int)]
    /// Other words for them, in lower case, that people write.
    private let others: [String: String]
    /// Whether a number may stand alone. Then it is of the smallest unit.
    private let allowsNone: Bool
    private let zero: String

    /// In microseconds.
    static let duration = Units(
        units: [("us", 1), ("ms", 1000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)],
        others: [
            "": "s", "usec": "us", "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "sec": "s", "second": "s",
            "seconds": "s", "min": "m", "minute": "m", "minutes": "m", "hour": "h", "hours": "h",
        ], allowsNone: false, zero: "0s")

    /// In bytes.
    static let size = Units(
        units: [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)],
        others: [
            "b": "", "byte": "", "bytes": "", "k": "KiB", "kb": "KiB", "m": "MiB", "mb": "MiB", "g": "GiB", "gb": "GiB",
            "t": "TiB", "tb": "TiB",
        ], allowsNone: true, zero: "0")

    enum Reading: Equatable {
        case number(Int)
        case tooLarge
        /// Not of the form; maybe what was meant.
        case none(meant: String?)
    }

    func read(_ text: String) -> Reading {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, digits == "0" || digits.first != "0" else { return .none(meant: nil) }
        let word = String(text[digits.endIndex...])
        guard let factor = factor(of: word) else { return .none(meant: meant(word).map { "\(digits)\($0)" }) }
        guard let number = Int(digits) else { return .tooLarge }
        let (product, isTooLarge) = number.multipliedReportingOverflow(by: factor)
        return isTooLarge ? .tooLarge : .number(product)
    }

    private func factor(of word: String) -> Int? {
        if word.isEmpty { return allowsNone ? 1 : nil }
        return units.first { $0.name == word }?.factor
    }

    private func meant(_ word: String) -> String? {
        let folded = word.filter { $0 != " " }.lowercased()
        return units.first { $0.name.lowercased() == folded }?.name ?? others[folded]
    }

    /// The number in the largest unit that it is a whole number of.
    func written(_ number: Int) -> String {
        if number == 0 { return zero }
        guard let unit = units.last(where: { number % $0.factor == 0 }) else { return "\(number)" }
        return "\(number / unit.factor)\(unit.name)"
    }
}

extension Duration {
    /// In whole microseconds.
    var microseconds: Int {
        let (seconds, attoseconds) = components
        let (whole, isTooLarge) = Int(seconds).multipliedReportingOverflow(by: 1_000_000)
        return isTooLarge ? .max : whole + Int(attoseconds / 1_000_000_000_000)
    }

    /// As a file has it.
    var written: String { Units.duration.written(microseconds) }
}
