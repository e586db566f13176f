// SPDX-License-Identifier: Apache-2.0
import Spelling
import XenStorePlugin

/// A single value of a file, as it was written.
struct ConfigurationScalar {
    let text: String
    /// False for quoted text, which is never a number or a flag.
    let isPlain: Bool
    /// The value of `${rundir}`.
    let runDirectory: String

    /// What is wrong with a value, and what was likely meant.
    struct Mistake: Error {
        let problem: String
        let suggestion: String?

        init(_ problem: String, suggestion: String? = nil) {
            self.problem = problem
            self.suggestion = suggestion
        }
    }

    /// The value, if a key of this kind can have it.
    func value(of kind: ConfigurationKey.Kind) throws(Mistake) -> ConfigurationValue {
        // Quoted text can spell a NUL. The system would end the name there.
        if text.utf8.contains(0) { throw Mistake("contains a NUL character") }
        switch kind {
        case .text: return .text(text)
        case .path, .device: return try path()
        case .flag: return try flag()
        case .number(let range): return try number(range)
        case .mode: return try mode()
        case .choice(let words): return try choice(of: words)
        case .duration(let range): return try duration(range)
        case .size(let range): return try size(range)
        case .secret: return try secret()
        case .list, .perDomain: throw Mistake("must be \(kind.whatItTakes), not \(quoted(text))")
        }
    }

    private func path() throws(Mistake) -> ConfigurationValue {
        let path = replaceRunDirectory(in: text, by: runDirectory)
        if hasVariable(path) {
            throw Mistake("only ${rundir} is replaced in a path, not what is in \(quoted(text))")
        }
        guard path.hasPrefix("/") else {
            throw Mistake("must be an absolute path, not \(quoted(text))")
        }
        guard !path.hasSuffix("/") else {
            throw Mistake("must name a file; with a slash at its end \(quoted(text)) names a folder")
        }
        return .text(path)
    }

    private func flag() throws(Mistake) -> ConfigurationValue {
        switch (text, isPlain) {
        case ("true", true): return .flag(true)
        case ("false", true): return .flag(false)
        default:
            let meant: String? =
                switch text.lowercased() {
                case "true", "yes", "on", "y", "1": "true"
                case "false", "no", "off", "n", "0": "false"
                default: nil
                }
            let form = isPlain ? "" : " in quotes"
            throw Mistake("must be true or false, not \(quoted(text))\(form)", suggestion: meant)
        }
    }

    private func number(_ range: ClosedRange<Int>) throws(Mistake) -> ConfigurationValue {
        guard isPlain, Self.isDecimal(text) else {
            let form = isPlain ? "" : " in quotes"
            throw Mistake("must be \(range.whatItTakes), not \(quoted(text))\(form)")
        }
        // A number too large for an Int is out of range as well.
        guard let number = Int(text), range.contains(number) else {
            throw Mistake("\(text.prefix(40)) is out of range; must be \(range.whatItTakes)")
        }
        return .number(number)
    }

    /// Reads a plain decimal number. YAML would also read 010 as eight and 1_000 as a thousand.
    static func isDecimal(_ text: String) -> Bool {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard let first = digits.utf8.first, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        return first != 0x30 || text == "0"
    }

    private func mode() throws(Mistake) -> ConfigurationValue {
        let digits = text.utf8
        let isOctal = !digits.isEmpty && digits.allSatisfy { (0x30...0x37).contains($0) }
        guard isOctal, digits.count == 4, digits.first == 0x30, let bits = Int(text, radix: 8) else {
            let meant = isOctal && digits.count == 3 ? "0\(text)" : nil
            throw Mistake(
                "must be permission bits as four octal digits from 0000 to 0777, not \(quoted(text))", suggestion: meant
            )
        }
        return .number(bits)
    }

    private func choice(of words: [String]) throws(Mistake) -> ConfigurationValue {
        guard words.contains(text) else {
            throw Mistake(
                "must be one of \(words.joined(separator: ", ")), not \(quoted(text))",
                suggestion: nearest(to: text, among: words))
        }
        return .text(text)
    }

    private func duration(_ range: ClosedRange<Duration>) throws(Mistake) -> ConfigurationValue {
        .duration(.microseconds(try amount(.duration, .duration(range)) { range.contains(.microseconds($0)) }))
    }

    private func size(_ range: ClosedRange<Int>) throws(Mistake) -> ConfigurationValue {
        .number(try amount(.size, .size(range), range.contains))
    }

    /// A number with a unit.
    private func amount(
        _ units: Units, _ kind: ConfigurationKey.Kind, _ isInRange: (Int) -> Bool
    ) throws(Mistake) -> Int {
        switch units.read(text) {
        case .number(let number) where isInRange(number): return number
        case .number, .tooLarge:
            throw Mistake("\(text.prefix(40)) is out of range; must be \(kind.whatItTakes)")
        case .none(let meant):
            throw Mistake("must be \(kind.whatItTakes), not \(quoted(text))", suggestion: meant)
        }
    }

    private func secret() throws(Mistake) -> ConfigurationValue {
        let path = replaceRunDirectory(in: text, by: runDirectory)
        guard path.hasPrefix("/") else {
            throw Mistake("must be \(ConfigurationKey.Kind.secret.whatItTakes), not what the file holds")
        }
        do throws(SecretFile.Problem) {
            return .secret(try SecretFile(path: path).read())
        } catch {
            throw Mistake(error.text)
        }
    }
}
