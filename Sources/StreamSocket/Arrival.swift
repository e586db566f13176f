// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A client that has connected. The transport looks at it and says who it is.
public struct Arrival {
    /// The socket of the connection. The transport may ask the system about its other end, but must not read from it.
    public let descriptor: Int32
    /// The bytes that the client has sent until now. Empty at first.
    public let bytes: [UInt8]

    /// The largest number of bytes that a client may send before the transport knows it.
    public static let bytesMax = 4096
}

/// The transport's answer to an ``Arrival``.
public enum Verdict {
    /// The client is this peer. The first `taken` bytes were for the transport. All other bytes are requests.
    case peer(Peer, taken: Int = 0)
    /// The transport needs more bytes. The server asks again when the client has sent more.
    case wait
    /// The server closes the connection, and logs the reason: "its token is wrong".
    case refusal(String)
}
