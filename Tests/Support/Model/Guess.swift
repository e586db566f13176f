// SPDX-License-Identifier: Apache-2.0

/// How the first of the requests that a client got no answer to may have gone.
struct Guess {
    private(set) var state: ModelState
    /// Nodes that these requests have changed.
    var changed: Set<String> = []
    /// Nodes that the store has in another way.
    private var wrong: Set<String>

    /// None of them has been carried out.
    init(_ state: ModelState, of store: StoreDump) {
        self.state = state
        self.state.forgetTouched()
        wrong = Set(store.differences(from: state.tree).keys)
    }

    func agrees(with store: StoreDump) -> Bool { wrong.isEmpty && store.agrees(with: state.quotas) }

    /// If the next request may have been refused that would be carried out otherwise: how it went then.
    ///
    /// A daemon that was killed takes its transactions with it, and the next one answers their ends EAGAIN. So
    /// an end that was on its way has had either outcome.
    func refusing(_ sent: ModelClient.Sent) -> Guess? {
        guard case .end(commits: true) = sent.request, state.transactions[sent.transaction]?.isInDoubt == true else {
            return nil
        }
        var other = self
        _ = other.state.apply(sent.request, in: sent.transaction, answered: .EAGAIN)
        return other
    }

    /// The next request was carried out.
    mutating func carryOut(_ sent: ModelClient.Sent, on store: StoreDump) {
        _ = state.apply(sent.request, in: sent.transaction, answered: nil)
        for path in state.tree.touched {
            if store.difference(at: path, from: state.tree) == nil {
                wrong.remove(path)
            } else {
                wrong.insert(path)
            }
        }
        changed.formUnion(state.tree.touched)
        state.forgetTouched()
    }
}
