// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The handlers of all families of requests.
struct Handlers {
    let tree: TreeRequests
    let transactions: TransactionRequests
    let watches: WatchRequests
    let domains: DomainRequests
    let quotas: QuotaRequests
    let control: ControlRequests

    init(
        scanner: PathScanner, innerScanner: PathScanner, store: Store, accounts: Accounts, schedule: Schedule,
        flow: FlowControl, watches: Watches, events: Events, changes: Changes, transactions: Transactions,
        journal: Journal, domains: Domains, limits: RuntimeLimits, checks: Checks, trace: Trace
    ) {
        let scratch = Scratch()
        let arguments = Arguments(scanner: scanner, accounts: accounts)
        let access = NodeAccess(permissions: store.permissions, accounts: accounts)
        tree = TreeRequests(
            reading: Reading(
                arguments: arguments, access: access, permissions: store.permissions, scratch: scratch,
                schedule: schedule),
            writing: Writing(
                arguments: arguments, access: access, accounts: accounts, domains: domains, store: store,
                changes: changes, schedule: schedule, areStored: journal.isKept))
        self.transactions = TransactionRequests(
            tree: tree, transactions: transactions,
            committing: Committing(
                tree: tree, store: store, accounts: accounts, domains: domains, journal: journal, watches: watches,
                events: events, schedule: schedule, scanner: innerScanner),
            accounts: accounts, flow: flow, store: store, schedule: schedule, scratch: scratch)
        self.watches = WatchRequests(
            arguments: arguments, accounts: accounts, watches: watches, transactions: transactions, flow: flow)
        self.domains = DomainRequests(domains: domains, scratch: scratch)
        quotas = QuotaRequests(accounts: accounts, domains: domains, quotas: limits, scratch: scratch)
        control = ControlRequests(
            accounts: accounts, domains: domains, quotas: limits, store: store, checks: checks, trace: trace,
            scratch: scratch)
    }

    /// Performs an operation on sessions, domains or the daemon itself.
    func perform(_ request: RequestContext) throws(WireError) -> Answer {
        switch request.operation {
        case .watch: try watches.watch(request)
        case .unwatch: try watches.unwatch(request)
        case .resetWatches: watches.reset(request)
        case .transactionStart: try transactions.start(request)
        case .transactionEnd: try transactions.checkEnd(request)
        case .introduce: try domains.introduce(request)
        case .release: try domains.release(request)
        case .resume: try domains.resume(request)
        case .setTarget: try domains.setTarget(request)
        case .isDomainIntroduced: try domains.isIntroduced(request)
        case .getDomainPath: try domains.path(request)
        case .getFeature: try domains.feature(request)
        case .setFeature: try domains.setFeature(request)
        case .getQuota: try quotas.get(request)
        case .setQuota: try quotas.set(request)
        case .control: try control.control(request)
        default: throw .ENOSYS
        }
    }
}
