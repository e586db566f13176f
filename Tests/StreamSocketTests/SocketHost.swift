// SPDX-License-Identifier: Apache-2.0
import Reactor
import TestSupport
import Testing
import XenStoreEngine
import XenStorePlugin
import XenStoreTestKit

@testable import StreamSocket

/// A kernel behind a socket in a folder of its own, turned by hand on the test's thread.
final class SocketHost {
    let reactor: Reactor
    let engine: Engine
    let folder: TemporaryFolder
    let listener: SocketListener

    init(mode: UInt32 = 0o600) throws {
        folder = try TemporaryFolder()
        reactor = try Reactor()
        engine = try Engine(storage: FailingStorage(), policies: [], seed: 0) { _, _ in }
        listener = try SocketListener(
            SocketSettings(path: folder.file("socket"), mode: mode),
            peer: Peer(domain: .control, isPrivileged: true, transport: "test"), on: reactor, host: engine)
    }

    deinit { listener.stop() }

    /// Runs the loop until something is so; what never comes to be so is an issue of the test. Only a
    /// loop that sleeps shows by its turns whether it would spin.
    func run(sleeping: Bool = false, until isSo: () -> Bool, _ place: SourceLocation = #_sourceLocation) throws {
        let deadline = Reactor.now().advanced(byMilliseconds: 10_000)
        try reactor.run { [engine, reactor] now in
            let wait = engine.endTurn(at: now)
            if isSo() {
                reactor.stop()
            } else if now >= deadline {
                Issue.record("it didn't come to be so in time", sourceLocation: place)
                reactor.stop()
            }
            return wait == .none || !sleeping ? .none : .until(deadline)
        }
    }
}
