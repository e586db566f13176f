// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A client that has connected and is nobody yet. A transport looks at it and says who it is.
public struct Arrival {
    /// The socket of the connection, to ask the system about its other end. It must not be read from.
    public let descriptor: Int32
    /// What the client has sent so far. Nothing at first.
    public let bytes: [UInt8]

    /// So many bytes are read at most before it is known who the client is.
    public static let bytesMax = 4096
}

/// What a transport says to an ``Arrival``.
public enum Verdict {
    /// The client is this peer. The first `taken` bytes that it has sent were for the transport; all that follows are
    /// requests.
    case peer(Peer, taken: Int = 0)
    /// The client has to send more before the transport can tell. It is asked again with what has come.
    case wait
    /// The client must go. The reason is for the log: "its token is wrong".
    case refusal(String)
}
