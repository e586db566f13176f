// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The requests that observers must still see: those of the current turn, each with its outcome.
///
/// It exists only if there is an observer. An observer sees a request when its reply is final: storage has taken the
/// turn, or has failed.
final class Observation {
    private var requests: [ObservedRequest] = []
    /// The paths of the requests, in sequence.
    private var paths: [UInt8] = []

    var isEmpty: Bool { requests.isEmpty }

    /// Adds a request that was handled.
    func add(_ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, _ error: WireError?) {
        let start = paths.count
        let operation = Operation(rawValue: header.type)
        if operation?.namesPath == true { paths.append(contentsOf: payload.prefix { $0 != 0 }) }
        requests.append(
            ObservedRequest(
                header: header, operation: operation, session: session, path: start..<paths.count, error: error))
    }

    /// Removes the last `count` requests, whose replies a rollback drops, and returns them. Nobody sees them unless
    /// they are added again.
    func removeLast(_ count: Int) -> ArraySlice<ObservedRequest> {
        let taken = requests.suffix(count)
        requests.removeLast(taken.count)
        return taken
    }

    /// Adds a request again after a rollback, with its new outcome.
    func addAgain(_ request: ObservedRequest, _ error: WireError?) {
        var request = request
        request.error = error
        requests.append(request)
    }

    /// Hands all requests over, and forgets them.
    func end(at moment: Moment) -> FinishedRequests {
        defer { (requests, paths) = ([], []) }
        return FinishedRequests(requests: requests, paths: paths, moment: moment)
    }
}

/// The requests of a turn, for observers.
package struct FinishedRequests {
    fileprivate let requests: [ObservedRequest]
    fileprivate let paths: [UInt8]
    fileprivate let moment: Moment

    package func forEach(_ body: (FinishedRequest) -> Void) {
        paths.withUnsafeBytes { paths in
            for request in requests {
                body(request.finished(UnsafeRawBufferPointer(rebasing: paths[request.path]), at: moment))
            }
        }
    }
}

/// A request whose reply is not final yet.
struct ObservedRequest {
    let header: Header
    let operation: Operation?
    let session: Session
    /// The place of its path.
    let path: Range<Int>
    var error: WireError?

    func finished(_ path: UnsafeRawBufferPointer, at moment: Moment) -> FinishedRequest {
        FinishedRequest(
            peer: session.peer, connection: session.number, operation: operation, type: header.type,
            transaction: header.transaction, path: path, error: error, moment: moment)
    }
}

extension Operation {
    /// Whether the payload begins with the path of a node, or with the name of a special node.
    fileprivate var namesPath: Bool { isOfTree || self == .watch || self == .unwatch }
}
