// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Something that we mean to answer otherwise than C xenstored 4.17.
struct KnownDifference: CustomTestStringConvertible, Sendable {
    let reason: String
    /// A request that shows it, what prepares for it, and what the two answer.
    var before: [Message] = []
    let example: Message
    let ours: Answer
    let theirs: Answer
    /// Whether these answers to a request differ for this reason, so that the two can be compared
    /// further. Not for differences that leave the stores different: no random script asks for them.
    var explains: @Sendable (_ request: Message, _ ours: Answer, _ theirs: Answer) -> Bool = { _, _, _ in false }

    var testDescription: String { reason }

    static func explains(_ request: Message, _ ours: Answer, _ theirs: Answer) -> Bool {
        all.contains { $0.explains(request, ours, theirs) }
    }

    static let all: [KnownDifference] = [
        // Stricter than 4.17, as the newest C xenstored is.
        KnownDifference(
            reason: "A domain's number is a decimal one from 0 to 65535; 4.17 takes what atoi makes of it.",
            example: Message(.getDomainPath, "65536\0"), ours: .EINVAL, theirs: .data("/local/domain/65536\0"),
            explains: { request, ours, _ in
                [.getDomainPath, .isDomainIntroduced, .release, .resume].contains(request.op) && ours == .EINVAL
            }),
        KnownDifference(
            reason: "A payload that is one string ends with a NUL; 4.17 takes what has none for an empty path.",
            example: Message(.read, "/tool"), ours: .EINVAL, theirs: .ENOENT),
        KnownDifference(
            reason: "UNWATCH looks at the path as every other request does; 4.17 only looks for the watch.",
            example: Message(.unwatch, "/a//b\0t\0"), ours: .EINVAL, theirs: .ENOENT,
            explains: { request, ours, theirs in request.op == .unwatch && ours == .EINVAL && theirs == .ENOENT }),
        KnownDifference(
            reason: "The number of a domain in a permission is decimal (section 0.1).",
            example: Message(.setPerms, "/tool\0n0x1\0"), ours: .EINVAL, theirs: .ok),
        KnownDifference(
            reason: "The number of a domain in a permission ends at 65535 (section 0.1).",
            example: Message(.setPerms, "/tool\0n0\0r65536\0"), ours: .EINVAL, theirs: .ok),
        KnownDifference(
            reason:
                "INTRODUCE looks at the port first; 4.17 takes what atoi makes of it, and looks for the ring.",
            example: Message(.introduce, "1\01\01junk\0"), ours: .EINVAL, theirs: .ENOENT),

        // Newer than 4.17.
        KnownDifference(
            reason: "The permissions of special nodes can be read since 4.22.",
            example: Message(.getPerms, "@releaseDomain\0"), ours: .data("n0\0r32757\0"), theirs: .EINVAL,
            explains: { request, _, theirs in
                request.op == .getPerms && request.payload.first == 0x40 && theirs == .EINVAL
            }),
        KnownDifference(
            reason: "Watches have a depth since 4.22.",
            example: Message(.watch, "/a\0t\01\0"), ours: .ok, theirs: .EINVAL),
        KnownDifference(
            reason: "Features can be asked for since 4.22.",
            example: Message(.getFeature, ""), ours: .data("15\0"), theirs: .ENOSYS),
        KnownDifference(
            reason: "Quotas can be asked for since 4.22.",
            example: Message(.getQuota, "nodes\0"), ours: .data("1000\0"), theirs: .ENOSYS),
        KnownDifference(
            reason: "Quotas can be set since 4.22.",
            example: Message(.setQuota, "nodes\01000\0"), ours: .ok, theirs: .ENOSYS),

        // The daemon under test has no hypervisor to ask.
        KnownDifference(
            reason: "Without a transport for domains every number may be that of one.",
            example: Message(.setPerms, "/tool\0n7\0"), ours: .ok, theirs: .ENOENT),
        KnownDifference(
            reason: "Without a transport for domains none can be introduced; 4.17 looks for the ring.",
            example: Message(.introduce, "1\02\03\0"), ours: .ENOSYS, theirs: .ENOENT),

        // Transactions: a snapshot and a replay, rather than a look at each node that was touched.
        KnownDifference(
            reason: "A transaction sees the store as it was at its start; 4.17 freezes each node at first sight.",
            before: [Message(.transactionStart, "\0"), Message(.write, "/late\0v")],
            example: Message(.read, "/late\0", transaction: 1), ours: .ENOENT, theirs: .data("v")),
        KnownDifference(
            reason: "Two who make children of one directory are not in conflict.",
            before: [
                Message(.transactionStart, "\0"), Message(.mkdir, "/tool/n\0", transaction: 1),
                Message(.mkdir, "/tool/m\0"),
            ],
            example: Message(.transactionEnd, "T\0", transaction: 1), ours: .ok, theirs: .EAGAIN),
        KnownDifference(
            reason: "A value that was read and then written again as it was is no conflict.",
            before: [
                Message(.transactionStart, "\0"), Message(.read, "/tool\0", transaction: 1), Message(.write, "/tool\0"),
            ],
            example: Message(.transactionEnd, "T\0", transaction: 1), ours: .ok, theirs: .EAGAIN),
        KnownDifference(
            reason: "A write that others have written over meanwhile is no conflict unless it was read.",
            before: [
                Message(.transactionStart, "\0"), Message(.write, "/tool\0mine", transaction: 1),
                Message(.write, "/tool\0theirs"),
            ],
            example: Message(.transactionEnd, "T\0", transaction: 1), ours: .ok, theirs: .EAGAIN),
    ]
}
