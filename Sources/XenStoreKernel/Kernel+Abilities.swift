// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

// What plugins see of the kernel, beside the connections of a transport.

extension Kernel {
    private var router: Router { intake.router }

    /// Keeps all requests until ``takeFinished()`` hands them over. To be called before the first client connects.
    package func observe() { router.observation = router.observation ?? Observation() }

    /// The requests whose replies are final. To be called when no turn is open.
    package func takeFinished() -> FinishedRequests? {
        guard let observation = router.observation, !observation.isEmpty else { return nil }
        return observation.end(at: accounts.now)
    }

    /// What the kernel has counted.
    package var measurements: [Measurement] {
        let bytes = sessions.bytes
        return [
            .total("requests", router.handledCount, "Requests that were answered."),
            .total("error-replies", router.errorCount, "Requests that were answered with an error."),
            .total("connections-opened", sessions.openedCount, "Connections that clients have made."),
            .current("connections", UInt64(sessions.all.count), "Connections that are open."),
            .total("bytes-received", bytes.received, in: .bytes, "Bytes that clients have sent."),
            .total("bytes-sent", bytes.sent, in: .bytes, "Bytes of replies and events that have gone out."),
            .current("nodes", UInt64(store.count), "Nodes in the store."),
            .current("watches", UInt64(watches.count), "Watches that clients have set."),
            .current("transactions", UInt64(sessions.transactionCount), "Transactions that are open."),
        ]
    }
}
