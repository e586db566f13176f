// SPDX-License-Identifier: Apache-2.0

/// The type word of a message. The tests have their own list, so they do not trust the daemon's.
public struct Op: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let control = Op(rawValue: 0)
    public static let directory = Op(rawValue: 1)
    public static let read = Op(rawValue: 2)
    public static let getPerms = Op(rawValue: 3)
    public static let watch = Op(rawValue: 4)
    public static let unwatch = Op(rawValue: 5)
    public static let transactionStart = Op(rawValue: 6)
    public static let transactionEnd = Op(rawValue: 7)
    public static let introduce = Op(rawValue: 8)
    public static let release = Op(rawValue: 9)
    public static let getDomainPath = Op(rawValue: 10)
    public static let write = Op(rawValue: 11)
    public static let mkdir = Op(rawValue: 12)
    public static let rm = Op(rawValue: 13)
    public static let setPerms = Op(rawValue: 14)
    public static let watchEvent = Op(rawValue: 15)
    public static let error = Op(rawValue: 16)
    public static let isDomainIntroduced = Op(rawValue: 17)
    public static let resume = Op(rawValue: 18)
    public static let setTarget = Op(rawValue: 19)
    public static let resetWatches = Op(rawValue: 21)
    public static let directoryPart = Op(rawValue: 22)
    public static let getFeature = Op(rawValue: 23)
    public static let setFeature = Op(rawValue: 24)
    public static let getQuota = Op(rawValue: 25)
    public static let setQuota = Op(rawValue: 26)

    public var description: String {
        let names = [
            "CONTROL", "DIRECTORY", "READ", "GET_PERMS", "WATCH", "UNWATCH", "TRANSACTION_START", "TRANSACTION_END",
            "INTRODUCE", "RELEASE", "GET_DOMAIN_PATH", "WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH_EVENT", "ERROR",
            "IS_DOMAIN_INTRODUCED", "RESUME", "SET_TARGET", "RESTRICT", "RESET_WATCHES", "DIRECTORY_PART",
            "GET_FEATURE", "SET_FEATURE", "GET_QUOTA", "SET_QUOTA",
        ]
        return rawValue < names.count ? names[Int(rawValue)] : "type \(rawValue)"
    }
}

/// A frame: 16 bytes of header in the machine's byte order, then the payload.
public struct Message: Equatable, Sendable, CustomStringConvertible {
    public var op: Op
    public var number: UInt32
    public var transaction: UInt32
    public var payload: [UInt8]

    public init(_ op: Op, _ payload: [UInt8], number: UInt32 = 0, transaction: UInt32 = 0) {
        self.op = op
        self.number = number
        self.transaction = transaction
        self.payload = payload
    }

    public init(_ op: Op, _ payload: String, number: UInt32 = 0, transaction: UInt32 = 0) {
        self.init(op, Array(payload.utf8), number: number, transaction: transaction)
    }

    public var description: String { "\(op) number \(number) in \(transaction): \(printable(payload))" }

    public var bytes: [UInt8] {
        Message.header(op, number, transaction, length: UInt32(payload.count)) + payload
    }

    public static func header(_ op: Op, _ number: UInt32, _ transaction: UInt32, length: UInt32) -> [UInt8] {
        [op.rawValue, number, transaction, length].flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
    }

    /// The first message of `bytes`, and its length. Nil if it is not complete.
    public static func first(in bytes: ArraySlice<UInt8>) throws -> (message: Message, length: Int)? {
        guard bytes.count >= 16 else { return nil }
        let words = bytes.prefix(16).withUnsafeBytes { raw in
            (0..<4).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
        }
        guard words[3] <= 4096 else { throw Trouble("the daemon sent a message of \(words[3]) bytes") }
        let length = 16 + Int(words[3])
        guard bytes.count >= length else { return nil }
        let payload = Array(bytes.dropFirst(16).prefix(Int(words[3])))
        return (Message(Op(rawValue: words[0]), payload, number: words[1], transaction: words[2]), length)
    }
}

/// The answer to a request: data, or one of the sixteen errors of the protocol.
public enum Answer: Hashable, Sendable, CustomStringConvertible {
    case data([UInt8])
    case error(String)

    public static func data(_ text: String) -> Answer { .data(Array(text.utf8)) }

    public static let ok = Answer.data("OK\0")
    public static let EINVAL = Answer.error("EINVAL")
    public static let EACCES = Answer.error("EACCES")
    public static let EEXIST = Answer.error("EEXIST")
    public static let EISDIR = Answer.error("EISDIR")
    public static let ENOENT = Answer.error("ENOENT")
    public static let ENOMEM = Answer.error("ENOMEM")
    public static let ENOSPC = Answer.error("ENOSPC")
    public static let EIO = Answer.error("EIO")
    public static let ENOTEMPTY = Answer.error("ENOTEMPTY")
    public static let ENOSYS = Answer.error("ENOSYS")
    public static let EROFS = Answer.error("EROFS")
    public static let EBUSY = Answer.error("EBUSY")
    public static let EAGAIN = Answer.error("EAGAIN")
    public static let EISCONN = Answer.error("EISCONN")
    public static let E2BIG = Answer.error("E2BIG")
    public static let EPERM = Answer.error("EPERM")

    static let errors: Set<Answer> = [
        .EINVAL, .EACCES, .EEXIST, .EISDIR, .ENOENT, .ENOMEM, .ENOSPC, .EIO, .ENOTEMPTY, .ENOSYS, .EROFS, .EBUSY,
        .EAGAIN, .EISCONN, .E2BIG, .EPERM,
    ]

    /// Reads a reply. Throws if it is not one.
    public init(_ message: Message) throws {
        guard message.op == .error else {
            self = .data(message.payload)
            return
        }
        self = .error(String(decoding: message.payload.dropLast(), as: UTF8.self))
        guard message.payload.last == 0, Answer.errors.contains(self) else {
            throw Trouble("no error of the wire: \(printable(message.payload))")
        }
    }

    /// Reads the reply to a request. Throws if the message is not one.
    public init(_ reply: Message, to request: Message) throws {
        guard reply.number == request.number, reply.transaction == request.transaction,
            reply.op == request.op || reply.op == .error
        else { throw Trouble("\(reply) is no reply to \(request)") }
        self = try Answer(reply)
    }

    public var isError: Bool { if case .error = self { true } else { false } }

    public var bytes: [UInt8] {
        if case .data(let bytes) = self { bytes } else { [] }
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The strings of a list. Each ends with a NUL.
    public var strings: [String] {
        bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    public var description: String {
        switch self {
        case .data(let bytes): printable(bytes)
        case .error(let name): name
        }
    }
}

/// A change that the daemon has told a client.
public struct Event: Hashable, Sendable, CustomStringConvertible {
    public let path: String
    public let token: String

    public init(_ path: String, _ token: String) {
        self.path = path
        self.token = token
    }

    public init(_ message: Message) throws {
        let parts = Answer.data(message.payload).strings
        guard parts.count == 2, message.payload.last == 0, message.number == 0, message.transaction == 0 else {
            throw Trouble("no event of the wire: \(message)")
        }
        self.init(parts[0], parts[1])
    }

    public var description: String { "\(path) [\(token)]" }
}

/// The bytes in a readable form, with escapes for NULs and the like.
public func printable(_ bytes: [UInt8]) -> String {
    let shown = bytes.prefix(200).map { byte -> String in
        switch byte {
        case 0: "\\0"
        case 32..<127: String(UnicodeScalar(byte))
        default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
    return "\"" + shown.joined() + (bytes.count > 200 ? "…\" (\(bytes.count) bytes)" : "\"")
}
