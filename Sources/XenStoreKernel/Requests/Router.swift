// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Finds the handler of an operation, and checks in the protocol's order: is the type known, is the client privileged,
/// may it write, is the transaction open. Then the handler checks payload, path, node, permissions and quotas.
final class Router {
    private let store: Store
    private let domains: Domains
    private let journal: Journal
    private let replies: Replies
    private let trace: Trace
    private let transactions: Transactions
    private let handlers: Handlers
    private let reading: Reading
    private let writing: Writing
    /// The requests for observers; nil if there are none.
    var observation: Observation?
    /// The number of requests that were handled.
    private(set) var handledCount: UInt64 = 0
    /// The number of those that got an error.
    var errorCount: UInt64 { replies.errorCount }

    init(
        store: Store, domains: Domains, journal: Journal, replies: Replies, trace: Trace, transactions: Transactions,
        handlers: Handlers
    ) {
        self.store = store
        self.domains = domains
        self.journal = journal
        self.replies = replies
        self.trace = trace
        self.transactions = transactions
        self.handlers = handlers
        reading = handlers.tree.reading
        writing = handlers.tree.writing
    }

    /// Handles one request. It always gets exactly one reply.
    func handle(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        trace.show(isRequest: true, header, payload, session)
        let start = session.position.made
        handledCount &+= 1
        // READ and WRITE of the store are by far the most frequent requests. They take a short way, without a context.
        let isShort = observation == nil && header.transaction == 0
        if isShort, header.type == Operation.read.rawValue {
            read(header, payload, session)
            // It changes nothing, so no transaction must be given up.
            return journal.add(header, payload, of: session, start: start, generation: nil)
        }
        // The transaction may end with the request.
        let generation = header.transaction == 0 ? nil : session.transactions[header.transaction]?.start
        if isShort, header.type == Operation.write.rawValue {
            write(header, payload, session)
        } else if observation == nil {
            _ = answer(header, payload, session)
        } else {
            observe(header, payload, session)
        }
        journal.add(header, payload, of: session, start: start, generation: generation)
        transactions.giveUpOverdrawn()
    }

    @inline(__always)
    private func read(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        do throws(WireError) {
            replies.send(try reading.read(payload, of: session, store), to: header, session, nil)
        } catch {
            replies.send(error, to: header, session, nil)
        }
    }

    private func write(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        var cause = Cause(session)
        do throws(WireError) {
            if !session.peer.mayWrite { throw .EROFS }
            journal.openTurn()
            let answer = try writing.write(payload, of: session, store, &cause)
            replies.send(answer, to: header, session, cause.outstanding)
        } catch {
            replies.send(error, to: header, session, cause.outstanding)
        }
    }

    /// A function of its own, so that a daemon without observers pays for one question only.
    @inline(never)
    private func observe(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        observation?.add(header, payload, of: session, answer(header, payload, session))
    }

    /// Handles a request again, after a rollback has dropped its reply.
    func handleAgain(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        handledCount &-= 1
        handle(header, payload, session)
    }

    /// Sends the reply. Returns its error, if it is one.
    private func answer(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) -> WireError? {
        guard let operation = Operation(rawValue: header.type) else {
            replies.send(.ENOSYS, to: header, session, nil)
            return .ENOSYS
        }
        var request = RequestContext(
            session: session, operation: operation, transaction: header.transaction, payload: payload,
            cause: Cause(session))
        do throws(WireError) {
            replies.send(try route(&request), to: header, session, request.cause.outstanding)
            return nil
        } catch {
            replies.send(error, to: header, session, request.cause.outstanding)
            return error
        }
    }

    @inline(__always)
    private func route(_ request: inout RequestContext) throws(WireError) -> Answer {
        try checkRights(of: request)
        // Only here the kernel asks the hypervisor. Later look-ups of domains change nothing.
        if request.operation == .setPermissions {
            for id in domains.named(in: request.payload, by: request.session) { domains.refresh(id) }
        }
        guard let transaction = try transaction(of: request) else { return try routeToStore(&request) }
        return try route(&request, in: transaction)
    }

    @inline(__always)
    private func checkRights(of request: RequestContext) throws(WireError) {
        let peer = request.session.peer
        switch request.operation {
        case .watchEvent, .error:
            throw .ENOSYS
        case .control, .introduce, .release, .isDomainIntroduced, .resume, .setTarget, .setFeature,
            .getQuota, .setQuota:
            if !peer.isPrivileged || !peer.mayWrite { throw .EACCES }
        case .write, .makeDirectory, .remove, .setPermissions:
            if !peer.mayWrite { throw .EROFS }
        default:
            break
        }
    }

    /// The transaction that the request names. WATCH and UNWATCH ignore it.
    @inline(__always)
    private func transaction(of request: RequestContext) throws(WireError) -> Transaction? {
        if request.transaction == 0 || request.operation == .watch || request.operation == .unwatch {
            return nil
        }
        guard let transaction = request.session.transactions[request.transaction] else { throw .ENOENT }
        return transaction
    }

    /// Operations on the tree go to the draft of their transaction, the others to their usual handlers.
    private func route(_ request: inout RequestContext, in transaction: Transaction) throws(WireError) -> Answer {
        switch request.operation {
        case _ where request.operation.isOfTree: try handlers.transactions.perform(&request, in: transaction)
        case .transactionStart: throw .EBUSY
        case .transactionEnd: try handlers.transactions.end(&request, transaction)
        default: try handlers.perform(request)
        }
    }

    @inline(__always)
    private func routeToStore(_ request: inout RequestContext) throws(WireError) -> Answer {
        if request.operation.changesTree { journal.openTurn() }
        return request.operation.isOfTree
            ? try handlers.tree.perform(&request, on: store) : try handlers.perform(request)
    }
}
