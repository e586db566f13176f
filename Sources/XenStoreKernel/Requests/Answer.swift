// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The answer to a request, as a value. The router sends it as a reply. A commit compares it with the answer that the
/// same request got in its transaction.
struct Answer {
    /// Lies in the store, in the scratch or in a literal. It is valid until the next request is handled, or the store
    /// changes.
    let payload: UnsafeRawBufferPointer
    /// A new watch, whose first event comes after the reply.
    let watch: Watch?

    /// The answer with this payload, or E2BIG if it is larger than a message can be.
    @inline(__always)
    init(_ payload: UnsafeRawBufferPointer) throws(WireError) {
        if payload.count > Limits.payloadMax { throw .E2BIG }
        self.init(payload: payload, watch: nil)
    }

    @inline(__always)
    private init(payload: UnsafeRawBufferPointer, watch: Watch?) {
        self.payload = payload
        self.watch = watch
    }

    static var ok: Answer { Answer(literal: "OK\0") }

    init(literal: StaticString) { self.init(payload: UnsafeRawBufferPointer(literal), watch: nil) }

    /// The only answer that comes before an event that its request causes.
    init(toNew watch: Watch) { self.init(payload: UnsafeRawBufferPointer("OK\0"), watch: watch) }
}

/// The place for answers that are made of pieces. It holds one answer at a time.
final class Scratch {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Limits.payloadMax, alignment: 16)

    deinit { bytes.deallocate() }

    /// The first `count` bytes of the scratch as an answer.
    @inline(__always)
    func answer(_ count: Int) throws(WireError) -> Answer {
        try Answer(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }

    /// An answer with a text and a NUL.
    func answer(text: String) throws(WireError) -> Answer {
        var text = text
        let count = text.utf8.count
        if count >= Limits.payloadMax { throw .E2BIG }
        text.withUTF8 { bytes.copyBytes(from: $0) }
        bytes[count] = 0
        return try answer(count + 1)
    }

    /// An answer with a decimal number and a NUL.
    func answer(number: UInt64) throws(WireError) -> Answer {
        let end = bytes.writeDecimal(number)
        bytes[end] = 0
        return try answer(end + 1)
    }

    /// Copies an answer into the scratch, where it stays when its source goes away.
    func keep(_ answer: Answer) throws(WireError) -> Answer {
        let place = UnsafeMutableRawBufferPointer(rebasing: bytes[..<answer.payload.count])
        if place.baseAddress.map({ UnsafeRawPointer($0) }) != answer.payload.baseAddress {
            place.copyMemory(from: answer.payload)
        }
        return try Answer(UnsafeRawBufferPointer(place))
    }

    /// Writes a name and a NUL, and returns the place after them.
    @inline(__always)
    func write(name: UnsafeRawBufferPointer, at start: Int) -> Int {
        guard let base = bytes.baseAddress else { return start }
        (base + start).copyMemory(from: name)
        base.storeBytes(of: 0, toByteOffset: start + name.count, as: UInt8.self)
        return start + name.count + 1
    }
}
