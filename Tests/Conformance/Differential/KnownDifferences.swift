// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// Something that we mean to answer otherwise than C xenstored 4.17. None of them changes the
/// store, so that the two can be compared further.
struct KnownDifference: Sendable {
    let reason: String
    /// A request that shows it, the requests that prepare for it, and what the two answer.
    let example: Message
    var before: [Message] = []
    let ours: Answer
    let theirs: Answer
    /// Whether these answers to this request differ for this reason.
    let explains: @Sendable (_ request: Message, _ ours: Answer, _ theirs: Answer) -> Bool

    static func explains(_ request: Message, _ ours: Answer, _ theirs: Answer) -> Bool {
        all.contains { $0.explains(request, ours, theirs) }
    }

    /// Requests whose payload is one string and its NUL.
    private static let oneString: Set<Op> = [
        .read, .directory, .mkdir, .rm, .getPerms, .release, .resume, .getDomainPath, .isDomainIntroduced,
    ]
    private static let newTypes: Set<Op> = [.getFeature, .setFeature, .getQuota, .setQuota]

    static let all: [KnownDifference] = [
        KnownDifference(
            reason: "A domain's number is a decimal one from 0 to 65535; 4.17 takes what atoi makes of it.",
            example: Message(.getDomainPath, "65536\0"), ours: .EINVAL, theirs: .data("/local/domain/65536\0"),
            explains: { request, ours, _ in
                [.getDomainPath, .isDomainIntroduced, .release, .resume].contains(request.op) && ours == .EINVAL
            }),
        KnownDifference(
            reason: "A special node that nobody has made is not there, rather than no path.",
            example: Message(.getPerms, "@x\0"), ours: .ENOENT, theirs: .EINVAL,
            explains: { request, ours, theirs in
                [.getPerms, .setPerms].contains(request.op) && request.payload.first == 0x40 && ours == .ENOENT && theirs == .EINVAL
            }),
        KnownDifference(
            reason: "UNWATCH looks at the path as every other request does; 4.17 only looks for the watch.",
            example: Message(.unwatch, "/a//b\0t\0"), ours: .EINVAL, theirs: .ENOENT,
            explains: { request, ours, theirs in request.op == .unwatch && ours == .EINVAL && theirs == .ENOENT }),
    ]
}
