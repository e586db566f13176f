// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The values of a block, as C sees them. Texts stay where they are until the block is replaced.
final class Values {
    let block: ConfigurationBlock
    private var texts: [String: UnsafeMutablePointer<CChar>] = [:]
    private var secrets: [String: UnsafeMutableRawBufferPointer] = [:]

    init(_ block: ConfigurationBlock) { self.block = block }

    deinit {
        for text in texts.values { free(text) }
        for secret in secrets.values { secret.deallocate() }
    }

    /// A text that stays. Nil for a value that is no text.
    func text(_ key: String) -> UnsafePointer<CChar>? {
        block.text(key).flatMap { kept($0, as: key) }
    }

    func number(_ key: String) -> Int64? {
        switch block.values[key] {
        case .number(let number)?: Int64(number)
        case .duration(let duration)?: duration.nanoseconds
        case .flag(let flag)?: flag ? 1 : 0
        default: nil
        }
    }

    func count(_ key: String) -> Int { block.items(key).count }

    func item(_ key: String, _ index: Int) -> UnsafePointer<CChar>? {
        let items = block.items(key)
        guard items.indices.contains(index) else { return nil }
        let text: String? =
            switch items[index] {
            case .text(let text): text
            case .number(let number): "\(number)"
            case .flag(let flag): "\(flag)"
            case .duration(let duration): "\(duration.nanoseconds)"
            case .secret, .list, .domains: nil
            }
        return text.flatMap { kept($0, as: "\(key)[\(index)]") }
    }

    func secret(_ key: String) -> UnsafeRawBufferPointer? {
        if let kept = secrets[key] { return UnsafeRawBufferPointer(kept) }
        guard let secret = block.secret(key) else { return nil }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: secret.bytes.count, alignment: 1)
        copy.copyBytes(from: secret.bytes)
        secrets[key] = copy
        return UnsafeRawBufferPointer(copy)
    }

    func kept(_ text: String, as key: String) -> UnsafePointer<CChar>? {
        if let kept = texts[key] { return UnsafePointer(kept) }
        texts[key] = strdup(text)
        return texts[key].map { UnsafePointer($0) }
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return isTooLarge ? .max : whole &+ attoseconds / 1_000_000_000
    }
}
