// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// WATCH, UNWATCH, RESET_WATCHES.
final class WatchRequests {
    private let arguments: Arguments
    private let accounts: Accounts
    private let watches: Watches
    private let transactions: Transactions
    private let flow: FlowControl

    init(
        arguments: Arguments, accounts: Accounts, watches: Watches, transactions: Transactions, flow: FlowControl
    ) {
        self.arguments = arguments
        self.accounts = accounts
        self.watches = watches
        self.transactions = transactions
        self.flow = flow
    }

    func watch(_ request: RequestContext) throws(WireError) -> Answer {
        let session = request.session
        let most = session.features.contains(.watchDepth) ? 3 : 2
        let strings = try Arguments.strings(request, 2...most)
        let path = try arguments.path(strings[0], of: session, specials: true)
        let depth = try strings.count == 3 ? depth(strings[2]) : nil
        let token = strings[1]
        if watches.contains(path, token: token, of: session) { throw .EEXIST }
        try accounts.allow(.watches, amount: accounts.held(by: session).watches + 1, session)
        try accounts.allowMemory(Watch.overhead + path.bytes.count + token.count, session)

        // The client has set the watch relative to its home. Its events are relative as well.
        let isRelative = strings[0].first != UInt8(ascii: "/") && !path.isSpecial
        let hiddenPrefix = isRelative ? path.bytes.count - strings[0].count : 0
        return Answer(
            toNew: watches.add(path, token: token, hiddenPrefix: hiddenPrefix, depth: depth, of: session))
    }

    private func depth(_ text: UnsafeRawBufferPointer) throws(WireError) -> Int {
        let (value, isWhole) = text.leadingNumber
        guard isWhole, value >= 0 else { throw .EINVAL }
        return value
    }

    func unwatch(_ request: RequestContext) throws(WireError) -> Answer {
        let session = request.session
        let strings = try Arguments.strings(request, 2...2)
        let path = try arguments.path(strings[0], of: session, specials: true)
        guard watches.remove(path, token: strings[1], of: session) else { throw .ENOENT }
        return .ok
    }

    /// Drops the session's watches and its transactions, also the request's own (XSA-484). Unsent events stay.
    func reset(_ request: RequestContext) -> Answer {
        let session = request.session
        watches.removeAll(of: session)
        transactions.dropAll(of: session)
        flow.endReservation(of: session)
        return .ok
    }
}
