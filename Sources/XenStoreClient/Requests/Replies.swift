// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

// Functions that read the payloads of replies, one for each form.
enum Replies {
    /// "OK". Clients have never checked the exact text.
    @Sendable static func nothing(_: [UInt8]) {}

    @Sendable static func bytes(_ payload: [UInt8]) -> [UInt8] { payload }

    /// One string; older daemons leave out the NUL.
    @Sendable static func text(_ payload: [UInt8]) -> String {
        String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Strings, each with its NUL.
    static func strings(
        of operation: Operation, _ payload: [UInt8]
    ) throws(ProtocolViolation) -> [ArraySlice<UInt8>] {
        guard payload.last ?? 0 == 0 else { throw .malformedPayload(of: operation) }
        let strings = payload.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        return payload.isEmpty ? [] : strings
    }

    /// The names of children. An empty name is an error: it would mean the parent itself, and a walk over the tree would
    /// never end.
    static func names(
        of operation: Operation, _ payload: [UInt8]
    ) throws(ProtocolViolation) -> [String] {
        let names = try strings(of: operation, payload)
        guard names.allSatisfy({ !$0.isEmpty }) else { throw .malformedPayload(of: operation) }
        return names.map { String(decoding: $0, as: UTF8.self) }
    }

    static func number<Number: FixedWidthInteger>(
        of operation: Operation, _ payload: [UInt8]
    ) throws(ProtocolViolation) -> Number {
        let digits = payload.prefix { $0 != 0 }
        guard let number = digits.withUnsafeBytes({ Number(decimal: $0) }) else {
            throw .malformedPayload(of: operation)
        }
        return number
    }

    @Sendable static func permissions(
        _ payload: [UInt8]
    ) throws(ProtocolViolation) -> [Permission] {
        var permissions: [Permission] = []
        for entry in try strings(of: .getPermissions, payload) {
            guard let permission = entry.withUnsafeBytes({ Permission(wire: $0) }) else {
                throw .malformedPayload(of: .getPermissions)
            }
            permissions.append(permission)
        }
        return permissions
    }

    @Sendable static func permissionEntries(
        _ payload: [UInt8]
    ) throws(ProtocolViolation) -> [[UInt8]] {
        let entries = try strings(of: .getPermissions, payload)
        guard entries.allSatisfy({ $0.first.flatMap(Access.init(letter:)) != nil }) else {
            throw .malformedPayload(of: .getPermissions)
        }
        return entries.map { Array($0) }
    }

    @Sendable static func transaction(
        _ payload: [UInt8]
    ) throws(ProtocolViolation) -> TransactionID {
        let id: UInt32 = try number(of: .transactionStart, payload)
        guard id != 0 else { throw .malformedPayload(of: .transactionStart) }
        return TransactionID(rawValue: id)
    }

    @Sendable static func flag(_ payload: [UInt8]) throws(ProtocolViolation) -> Bool {
        switch payload.first {
        case UInt8(ascii: "T"): return true
        case UInt8(ascii: "F"): return false
        default: throw .malformedPayload(of: .isDomainIntroduced)
        }
    }
}
