// SPDX-License-Identifier: Apache-2.0

/// A guess about the requests without an answer: how many of the first ones the daemon has performed.
struct Guess {
    private(set) var state: ModelState
    /// The nodes that these requests have changed.
    var changed: Set<String> = []
    /// The nodes that differ from the store.
    private var wrong: Set<String>

    /// The guess that the daemon has performed none of them.
    init(_ state: ModelState, of store: StoreDump) {
        self.state = state
        self.state.forgetTouched()
        wrong = Set(store.differences(from: state.tree).keys)
    }

    func agrees(with store: StoreDump) -> Bool { wrong.isEmpty && store.agrees(with: state.quotas) }

    /// The guess in which the daemon has refused the next request; nil if it cannot have refused it.
    ///
    /// A daemon that is killed loses its transactions, and the next daemon answers their ends with EAGAIN. So the end
    /// of a transaction without an answer has two possible outcomes.
    func refusing(_ sent: ModelClient.Sent) -> Guess? {
        guard case .end(commits: true) = sent.request, state.transactions[sent.transaction]?.isInDoubt == true else {
            return nil
        }
        var other = self
        _ = other.state.apply(sent.request, in: sent.transaction, answered: .EAGAIN)
        return other
    }

    /// Performs the next request.
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
