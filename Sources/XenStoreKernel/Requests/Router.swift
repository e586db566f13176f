// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One request, as its handler sees it.
struct Request {
    unowned(unsafe) let session: Session
    let operation: Operation
    /// 0, or the transaction the request belongs to.
    let transaction: UInt32
    let payload: UnsafeRawBufferPointer

    var isPrivileged: Bool { session.isPrivileged }
}

/// From operation to handler, in the order of checks that the protocol has: is the type known, is
/// the client privileged, may it write, is the transaction open; then the handler looks at the
/// payload, the path, the node, the permissions and the quotas.
extension Machine {
    /// Answers one request: exactly one reply, whatever happens.
    mutating func handle(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        if logSwitches.io { trace(isRequest: true, header, payload, session) }
        let begin = keepsBatches ? TurnEntry.Begin(header, session) : nil
        var cause = Cause(session)
        if let operation = Operation(rawValue: header.type) {
            let request = Request(
                session: session, operation: operation, transaction: header.transaction, payload: payload)
            do throws(WireError) {
                let reply = try route(request, &cause)
                send(reply, to: header, session, &cause)
            } catch {
                sendError(error, header, session, cause)
            }
        } else {
            sendError(.ENOSYS, header, session, cause)
        }
        if turn != nil, let begin { turn?.note(header, payload, of: session, since: begin) }
        touch(session)
        if pinsTooMuch { giveUpOverdrawn() }
    }

    @inline(__always)
    private mutating func route(_ request: Request, _ cause: inout Cause) throws(WireError) -> Answer {
        if request.transaction == 0, request.operation == .read { return try read(request, store) }
        try checkRights(of: request)
        // What the hypervisor says is taken in here: below, nothing that looks a domain up changes anything.
        if request.operation == .setPermissions {
            for id in domains(namedBy: request.payload, of: request.session) { refresh(id) }
        }
        guard let transaction = try transaction(of: request) else {
            return try routeToStore(request, &cause)
        }
        return try route(request, in: transaction, &cause)
    }

    private func checkRights(of request: Request) throws(WireError) {
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

    /// The transaction the request names. WATCH and UNWATCH ignore it.
    private func transaction(of request: Request) throws(WireError) -> Transaction? {
        if request.transaction == 0 || request.operation == .watch || request.operation == .unwatch {
            return nil
        }
        guard let transaction = request.session.transactions[request.transaction] else { throw .ENOENT }
        return transaction
    }

    /// Operations on the tree go to the draft of the transaction they belong to, the others to
    /// where they go anyway.
    private mutating func route(
        _ request: Request, in transaction: Transaction, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        switch request.operation {
        case .read, .directory, .directoryPart, .getPermissions, .write, .makeDirectory, .remove,
            .setPermissions:
            try perform(request, in: transaction, &cause)
        case .transactionStart:
            throw .EBUSY
        case .transactionEnd:
            try endTransaction(request, transaction, &cause)
        default:
            try routeToKernel(request)
        }
    }

    private mutating func routeToStore(_ request: Request, _ cause: inout Cause) throws(WireError) -> Answer {
        if request.operation.changesTree, keepsBatches { openTurn() }
        return try perform(request, on: store, &cause)
    }

    /// The operations on a tree, whichever it is.
    mutating func perform<T: Tree>(_ request: Request, on tree: T, _ cause: inout Cause) throws(WireError) -> Answer {
        switch request.operation {
        case .read: try read(request, tree)
        case .directory: try directory(request, tree)
        case .directoryPart: try directoryPart(request, tree)
        case .getPermissions: try getPermissions(request, tree)
        case .write: try write(request, tree, &cause)
        case .makeDirectory: try makeDirectory(request, tree, &cause)
        case .remove: try remove(request, tree, &cause)
        case .setPermissions: try setPermissions(request, tree, &cause)
        default: try routeToKernel(request)
        }
    }

    /// The operations on sessions, domains and the daemon itself.
    private mutating func routeToKernel(_ request: Request) throws(WireError) -> Answer {
        switch request.operation {
        case .watch: try watch(request)
        case .unwatch: try unwatch(request)
        case .resetWatches: resetWatches(request)
        case .transactionStart: try startTransaction(request)
        case .transactionEnd: try checkEnd(request)
        case .introduce: try introduce(request)
        case .release: try release(request)
        case .resume: try resume(request)
        case .setTarget: try setTarget(request)
        case .isDomainIntroduced: try isDomainIntroduced(request)
        case .getDomainPath: try getDomainPath(request)
        case .getFeature: try getFeature(request)
        case .setFeature: try setFeature(request)
        case .getQuota: try getQuota(request)
        case .setQuota: try setQuota(request)
        case .control: try control(request)
        default: throw .ENOSYS
        }
    }
}
