// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreTestKit

@testable import XenStoreKernel

extension Caller {
    /// What the kernel knows of the connection.
    var session: Session { client.session }
}

extension EmbeddedClient {
    /// What the kernel knows of the connection.
    var session: Session { unsafeDowncast(connection, to: Session.self) }
}
