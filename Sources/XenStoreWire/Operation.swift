// SPDX-License-Identifier: Apache-2.0

/// The type word of a message header: what a request asks for, or what a reply is.
///
/// The numbers are the wire's (Xen's `xs_wire.h`). Numbers that are not listed here are unknown to
/// the protocol and are answered ``WireError/ENOSYS``.
public enum Operation: UInt32, Sendable, CaseIterable {
    case control = 0
    case directory = 1
    case read = 2
    case getPermissions = 3
    case watch = 4
    case unwatch = 5
    case transactionStart = 6
    case transactionEnd = 7
    case introduce = 8
    case release = 9
    case getDomainPath = 10
    case write = 11
    case makeDirectory = 12
    case remove = 13
    case setPermissions = 14
    /// Only ever sent by the daemon; as a request it is unknown.
    case watchEvent = 15
    /// Only ever sent by the daemon; as a request it is unknown.
    case error = 16
    case isDomainIntroduced = 17
    case resume = 18
    case setTarget = 19
    // 20 was RESTRICT, removed in Xen 4.9.
    case resetWatches = 21
    case directoryPart = 22
    case getFeature = 23
    case setFeature = 24
    case getQuota = 25
    case setQuota = 26

    /// The name the protocol's documents use, as in `TRANSACTION_START`.
    public var name: StaticString {
        switch self {
        case .control: "CONTROL"
        case .directory: "DIRECTORY"
        case .read: "READ"
        case .getPermissions: "GET_PERMS"
        case .watch: "WATCH"
        case .unwatch: "UNWATCH"
        case .transactionStart: "TRANSACTION_START"
        case .transactionEnd: "TRANSACTION_END"
        case .introduce: "INTRODUCE"
        case .release: "RELEASE"
        case .getDomainPath: "GET_DOMAIN_PATH"
        case .write: "WRITE"
        case .makeDirectory: "MKDIR"
        case .remove: "RM"
        case .setPermissions: "SET_PERMS"
        case .watchEvent: "WATCH_EVENT"
        case .error: "ERROR"
        case .isDomainIntroduced: "IS_DOMAIN_INTRODUCED"
        case .resume: "RESUME"
        case .setTarget: "SET_TARGET"
        case .resetWatches: "RESET_WATCHES"
        case .directoryPart: "DIRECTORY_PART"
        case .getFeature: "GET_FEATURE"
        case .setFeature: "SET_FEATURE"
        case .getQuota: "GET_QUOTA"
        case .setQuota: "SET_QUOTA"
        }
    }
}
