// SPDX-License-Identifier: Apache-2.0
import AuditTrail
import Testing
import XenStorePlugin
import XenStoreTestKit

/// It does what every policy must do. What it writes is tested by test.py, in a daemon that runs.
@Suite struct ConformanceTests {
    @Test func passesWhatEveryPolicyMustPass() throws {
        let policy = try AuditTrail(ConfigurationBlock(defaultsOf: AuditTrail.keys))
        #expect(PolicyConformance(policy).problems() == [])
    }
}
