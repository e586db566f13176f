// SPDX-License-Identifier: Apache-2.0

extension [UInt8] {
    /// Like `withUnsafeBytes`, but it keeps the error type of `body`.
    @inlinable
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { bytes throws(Failure) in try body(UnsafeRawBufferPointer(bytes)) }
    }
}
