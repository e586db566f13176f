// SPDX-License-Identifier: Apache-2.0

/// What storage is to keep, or to forget, beside the nodes: what the next daemon needs to go on. Collected until
/// storage has taken it; what it could not take waits for it to work again.
struct Notes {
    private var pending: [[UInt8]: [UInt8]?] = [:]

    var isEmpty: Bool { pending.isEmpty }
    var count: Int { pending.count }

    mutating func keep(_ value: [UInt8], under key: [UInt8]) { pending[key] = .some(value) }

    mutating func forget(_ key: [UInt8]) { pending[key] = .some(nil) }

    /// Forgets what storage has never heard of without asking it: what comes and goes while storage fails must
    /// not fill memory. False if storage may know of it.
    mutating func withdraw(_ key: [UInt8]) -> Bool {
        guard case .some(.some) = pending[key] else { return false }
        pending[key] = nil
        return true
    }

    /// With the notes of this turn's streams.
    func all(with streams: [[UInt8]: [UInt8]?]) -> [[UInt8]: [UInt8]?] { pending.merging(streams) { $1 } }

    /// Storage has taken all.
    mutating func clear() { pending = [:] }
}
