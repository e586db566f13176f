// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One request, as its handler sees it.
struct Request {
    unowned(unsafe) let session: Session
    let operation: Operation
    /// To be copied into the reply.
    let number: UInt32
    /// 0, or the transaction the request belongs to.
    let transaction: UInt32
    let payload: UnsafeRawBufferPointer

    var isPrivileged: Bool { session.peer.isPrivileged }

    var header: Header {
        Header(
            type: operation.rawValue, request: number, transaction: transaction,
            length: UInt32(payload.count))
    }
}

/// From operation to handler, in the order of checks that the protocol has: is the type known, is
/// the client privileged, may it write, is the transaction open; then the handler looks at the
/// payload, the path, the node, the permissions and the quotas.
extension Machine {
    /// Answers one request: exactly one reply, whatever happens.
    mutating func handle(_ header: Header, _ payload: UnsafeRawBufferPointer, _ session: Session) {
        if logSwitches.io { trace(isRequest: true, header, payload, session) }
        requester = session.peer.isPrivileged ? nil : session
        if turn != nil { turn?.note(header, payload, of: session) }
        guard let operation = Operation(rawValue: header.type) else {
            replyError(.ENOSYS, header, session)
            return finish(session)
        }
        let request = Request(
            session: session, operation: operation, number: header.request,
            transaction: header.transaction, payload: payload)
        inHand = request
        do throws(WireError) {
            try route(request)
        } catch {
            // Whatever the handler had begun to answer does not count.
            replyError(error, header, session)
        }
        finish(session)
    }

    private mutating func finish(_ session: Session) {
        if turn != nil { turn?.noteAnswered() }
        touch(session)
        inHand = nil
        requester = nil
        outstanding = nil
        if pinsTooMuch { giveUpOverdrawn() }
    }

    @inline(__always)
    mutating func route(_ request: Request) throws(WireError) {
        if request.transaction == 0, request.operation == .read { return try read(request, store) }
        try checkRights(of: request)
        // What the hypervisor says is taken in here: below, nothing that looks a domain up changes anything.
        if request.operation == .setPermissions {
            for id in domains(namedBy: request.payload, of: request.session) { refresh(id) }
        }
        guard let transaction = try transaction(of: request) else {
            return try routeToStore(request)
        }
        try route(request, in: transaction)
    }

    private mutating func checkRights(of request: Request) throws(WireError) {
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
    private mutating func transaction(of request: Request) throws(WireError) -> Transaction? {
        if request.transaction == 0 || request.operation == .watch || request.operation == .unwatch {
            return nil
        }
        guard let transaction = request.session.transactions[request.transaction] else { throw .ENOENT }
        return transaction
    }

    /// Operations on the tree go to the draft of the transaction they belong to, the others to
    /// where they go anyway.
    private mutating func route(_ request: Request, in transaction: Transaction) throws(WireError) {
        switch request.operation {
        case .read, .directory, .directoryPart, .getPermissions, .write, .makeDirectory, .remove,
            .setPermissions:
            try perform(request, in: transaction)
        case .transactionStart:
            throw .EBUSY
        case .transactionEnd:
            try endTransaction(request, transaction)
        default:
            try routeToKernel(request)
        }
    }

    private mutating func routeToStore(_ request: Request) throws(WireError) {
        switch request.operation {
        case .write, .makeDirectory, .remove, .setPermissions:
            if keepsBatches { try beginChange(request) }
            try perform(request, on: store)
        default:
            try perform(request, on: store)
        }
    }

    /// The operations on a tree, whichever it is.
    mutating func perform<T: Tree>(_ request: Request, on tree: T) throws(WireError) {
        switch request.operation {
        case .read: try read(request, tree)
        case .directory: try directory(request, tree)
        case .directoryPart: try directoryPart(request, tree)
        case .getPermissions: try getPermissions(request, tree)
        case .write: try write(request, tree)
        case .makeDirectory: try makeDirectory(request, tree)
        case .remove: try remove(request, tree)
        case .setPermissions: try setPermissions(request, tree)
        default: try routeToKernel(request)
        }
    }

    /// The operations on sessions, domains and the daemon itself.
    private mutating func routeToKernel(_ request: Request) throws(WireError) {
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

/// Answering.
extension Machine {
    /// The reply to a request, or E2BIG if it is larger than a message can be.
    @inline(__always)
    mutating func reply(_ request: Request, _ payload: UnsafeRawBufferPointer) throws(WireError) {
        if payload.count > Limits.payloadMax { throw .E2BIG }
        let header = Header(
            type: request.operation.rawValue, request: request.number,
            transaction: request.transaction, length: UInt32(payload.count))
        append(header, payload, to: request.session)
    }

    mutating func replyOK(_ request: Request) {
        let header = Header(
            type: request.operation.rawValue, request: request.number,
            transaction: request.transaction, length: 3)
        append(header, UnsafeRawBufferPointer("OK\0"), to: request.session)
    }

    /// A reply made of text, which ends with a NUL on the wire.
    mutating func reply(_ request: Request, text: String) throws(WireError) {
        var bytes = Array(text.utf8)
        bytes.append(0)
        try bytes.withBytes { bytes throws(WireError) in try reply(request, bytes) }
    }

    mutating func replyError(_ error: WireError, _ request: Header, _ session: Session) {
        let name = error.name
        let length = name.utf8CodeUnitCount
        // The literal ends with a NUL of its own, as the wire wants it.
        let payload = UnsafeRawBufferPointer(start: name.utf8Start, count: length + 1)
        let header = Header(
            type: Operation.error.rawValue, request: request.request,
            transaction: request.transaction, length: UInt32(length + 1))
        append(header, payload, to: session)
    }

    /// Appends an answer that was taken back with its turn and stands all the same.
    mutating func resend(_ answer: UnsafeRawBufferPointer, to session: Session) {
        if answer.isEmpty { return }
        let start = session.outbox.position
        UnsafeMutableRawBufferPointer(session.outbox.extend(by: answer.count)).copyMemory(from: answer)
        if !session.peer.isPrivileged { count(replyFrom: start, of: session) }
        touch(session)
    }

    @inline(__always)
    private mutating func append(_ header: Header, _ payload: UnsafeRawBufferPointer, to session: Session) {
        if logSwitches.io { trace(isRequest: false, header, payload, session) }
        let start = session.outbox.position
        session.outbox.append(header, payload)
        if !session.peer.isPrivileged { count(replyFrom: start, of: session) }
    }

    /// The reply of an unprivileged domain counts to its memory and keeps its request outstanding.
    private mutating func count(replyFrom start: UInt64, of session: Session) {
        // A request that is replayed at the end of its transaction was answered long ago.
        if replay != nil { return }
        let end = session.outbox.position
        accounts.ledger.adjustMemory(of: session.domain, by: Int(end - start))
        if let outstanding {
            outstanding.addOne()
        } else {
            accounts.ledger.adjustOutstanding(of: session.domain, by: 1)
        }
        session.delivery.append(
            Delivery.Mark(
                start: start, end: end, event: 0, cause: outstanding, kind: .reply))
    }
}
