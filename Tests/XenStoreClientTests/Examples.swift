// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// The example in the documentation of `XenStore`, to be compiled. `TidyTests` compares the lines. It is not called: it
/// would watch until the daemon ends.
func countAndWatch() async throws {
    let store = try XenStore()
    try await store.transaction { transaction in
        let count = try await transaction.readString("/tool/count").flatMap(Int.init) ?? 0
        try await transaction.write("/tool/count", String(count + 1))
    }
    for try await event in try await store.watch("/local/domain") { print(event.path) }
}
