// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The answer to a request, as a value. The router sends it; a commit compares it with the answer that the same
/// request got in its transaction.
struct Answer {
    /// Lies in the store, in the scratch or in a literal: good until the next request is handled, or the store
    /// changes.
    let payload: UnsafeRawBufferPointer
    /// A watch that was just set: its first event comes after the reply.
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

    /// The one answer that comes before the event it causes.
    init(toNew watch: Watch) { self.init(payload: UnsafeRawBufferPointer("OK\0"), watch: watch) }
}

/// Where answers are put together that are made up of pieces. It holds one answer at a time.
final class Scratch {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Limits.payloadMax, alignment: 16)

    deinit { bytes.deallocate() }

    /// What the scratch begins with.
    @inline(__always)
    func answer(_ count: Int) throws(WireError) -> Answer {
        try Answer(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }

    /// A text, which ends with a NUL on the wire.
    func answer(text: String) throws(WireError) -> Answer {
        var text = text
        let count = text.utf8.count
        if count >= Limits.payloadMax { throw .E2BIG }
        text.withUTF8 { bytes.copyBytes(from: $0) }
        bytes[count] = 0
        return try answer(count + 1)
    }

    /// A number in decimal, and a NUL.
    func answer(number: UInt64) throws(WireError) -> Answer {
        let end = bytes.writeDecimal(number)
        bytes[end] = 0
        return try answer(end + 1)
    }

    /// The same answer in the scratch, where it outlives what it was made from.
    func keep(_ answer: Answer) throws(WireError) -> Answer {
        let place = UnsafeMutableRawBufferPointer(rebasing: bytes[..<answer.payload.count])
        if place.baseAddress.map({ UnsafeRawPointer($0) }) != answer.payload.baseAddress {
            place.copyMemory(from: answer.payload)
        }
        return try Answer(UnsafeRawBufferPointer(place))
    }

    /// Writes a name and its NUL and returns where it ends.
    @inline(__always)
    func write(name: UnsafeRawBufferPointer, at start: Int) -> Int {
        guard let base = bytes.baseAddress else { return start }
        (base + start).copyMemory(from: name)
        base.storeBytes(of: 0, toByteOffset: start + name.count, as: UInt8.self)
        return start + name.count + 1
    }
}
