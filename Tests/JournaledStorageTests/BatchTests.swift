// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreKernel
import XenStoreTestKit

@testable import JournaledStorage

/// Paths that share what they begin with take a few bytes of a journal. Bounds count them whole: a fold holds them,
/// and the table takes them.
@Suite struct BatchTests {
    @Test func aDeepPathWeighsAsMuchAsItsKeys() throws {
        let scales = Scales()
        let levels = 500
        #expect(try EmbeddedHost(storage: scales).caller(0).mkdir(String(repeating: "/d", count: levels)) == .ok)
        let batch = scales.batch
        // The key of level n has 2n bytes.
        let keys = levels * (levels + 1)
        #expect(batch.bytes.count < keys / 4)
        #expect(batch.weight > keys)
        #expect(Batch.weight(of: batch.bytes, store: Scales.store) == batch.weight)
        batch.bytes.withUnsafeBytes { journal in
            Batch.withOutcome(of: journal, store: Scales.store, after: 0) { outcome in
                #expect(outcome.size == batch.weight)
                #expect(outcome.records.count > levels)
            }
        }
    }

    @Test func aBatchInPlaceOfAnotherWeighsNoMoreThanItself() throws {
        let scales = Scales()
        let dom0 = try EmbeddedHost(storage: scales).caller(0)
        #expect(dom0.mkdir(String(repeating: "/d", count: 500)) == .ok)
        #expect(dom0.write("/a") == .ok)
        #expect(scales.batch.weight < 1000)
    }
}

/// Keeps the last batch, as a journal would get it.
private final class Scales: Storage {
    static let store: UInt64 = 1
    static let name = "scales"
    static let summary = "Weighs batches, for tests."
    static let keys: [ConfigurationKey] = []

    private(set) var batch = Batch()
    private var number: UInt64 = 0

    init() {}
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    let wantsBatches = true
    func load(into loader: StateLoader) throws(StorageError) {}
    func commit(_ changes: borrowing ChangeBatch) throws(StorageError) {
        try batch.take(changes)
        number += 1
        batch.seal(sequence: number, store: Self.store)
    }
    func close() {}
}
