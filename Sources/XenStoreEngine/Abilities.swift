// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel
import XenStorePlugin

/// The plugins with abilities beside their kind, which the engine uses.
struct Abilities {
    private var observers: [any RequestObserver] = []
    private var measurable: [(name: String, plugin: any Measurable)] = []

    init(of plugins: [NamedPlugin] = []) {
        observers = plugins.compactMap(\.observer)
        measurable = plugins.compactMap { named in named.measurable.map { (named.name, $0) } }
    }

    /// Whether some plugin observes requests.
    var haveObservers: Bool { !observers.isEmpty }

    /// Shows requests to the observers, in the order in which the configuration lists the observers.
    func show(_ finished: FinishedRequests) {
        finished.forEach { request in for observer in observers { observer.finished(request) } }
    }

    var measurements: [MeasuredPart] { measurable.map { MeasuredPart($0.name, $0.plugin.measurements) } }
}

/// The numbers of turns that storage has taken and refused.
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
