// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel
import XenStorePlugin

/// The plugins that the engine calls for what they can beyond their kind.
struct Abilities {
    private var observers: [any RequestObserver] = []
    private var measurable: [(name: String, plugin: any Measurable)] = []

    init(of plugins: [NamedPlugin] = []) {
        observers = plugins.compactMap { $0.plugin as? any RequestObserver }
        measurable = plugins.compactMap { named in (named.plugin as? any Measurable).map { (named.name, $0) } }
    }

    /// Whether somebody wants to see requests.
    var haveObservers: Bool { !observers.isEmpty }

    /// Observers see requests in the order in which the configuration lists the observers.
    func show(_ finished: FinishedRequests) {
        finished.forEach { request in for observer in observers { observer.finished(request) } }
    }

    var measurements: [MeasuredPart] { measurable.map { MeasuredPart($0.name, $0.plugin.measurements) } }
}

/// What became of the turns that have changed something.
struct CommitCounts {
    private(set) var done: UInt64 = 0
    private(set) var failed: UInt64 = 0

    mutating func count(isDone: Bool) { if isDone { done += 1 } else { failed += 1 } }

    var measurements: [Measurement] {
        [
            .total("commits", done, "Turns whose changes storage has taken."),
            .total("failed-commits", failed, "Turns whose changes storage has refused; their requests got EIO."),
        ]
    }
}
