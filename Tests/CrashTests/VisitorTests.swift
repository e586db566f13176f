// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Testing

    /// Domains that shut down are told of one by one, which the crash test has to keep apart from their ends.
    @Suite struct VisitorTests {
        @Test func anEventOfAnEarlierEndIsNotTakenForTheShutdown() {
            var visitor = Visitor(domain: 11)
            // It has gone and come again, and shuts down before anybody has read that it went.
            visitor.releases = 1
            visitor.shutdowns = 1
            visitor.stage = .shutting
            visitor.heard(1)
            #expect(visitor.stage == .shutting)
            visitor.heard(2)
            #expect(visitor.stage == .shut)
        }
    }
#endif
