// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
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
        #expect(Batch.weight(of: Array(batch.bytes), store: Scales.store) == batch.weight)
        Batch.withOutcome(of: batch.bytes, after: 0) { outcome in
            #expect(outcome.size == batch.weight)
            #expect(outcome.records.count > levels)
        }
    }

    /// A daemon of another version reads these bytes.
    @Test func aBatchHasEachByteInItsPlace() throws {
        let scales = Scales()
        let dom0 = try EmbeddedHost(storage: scales).caller(0)
        #expect(dom0.write("/ab/cd", "v") == .ok)
        let magic = Array("sta2".utf8)
        let permissions: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        let header: [UInt8] =
            magic + [138, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0]
            + [47, 166, 196, 169, 95, 208, 86, 230]
        let root: [UInt8] =
            [1, 0, 0, 0, 40, 0, 0, 0] + Array("/".utf8) + [6, 0, 0, 0, 0, 0, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0]
            + [8, 0, 0, 0] + permissions + Array("tool\0ab\0".utf8) + [0, 0, 0, 0]
        let parent: [UInt8] =
            [2, 0, 1, 0, 35, 0, 0, 0] + Array("ab".utf8) + [7, 0, 0, 0, 0, 0, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0]
            + [3, 0, 0, 0] + permissions + Array("cd\0".utf8) + [0, 0, 0, 0]
        let node: [UInt8] =
            [3, 0, 3, 0, 33, 0, 0, 0] + Array("/cd".utf8) + [7, 0, 0, 0, 0, 0, 0, 0] + [1, 0, 0, 0, 1, 0, 0, 0]
            + [0, 0, 0, 0] + permissions + Array("v".utf8) + [0, 0, 0, 0]
        #expect(Array(scales.batch.bytes) == header + root + parent + node)

        #expect(dom0.rm("/ab/cd") == .ok)
        let gone: [UInt8] = [6, 0, 0, 0, 255, 255, 255, 255] + Array("/ab/cd".utf8)
        #expect(Array(scales.batch.bytes.dropFirst(Batch.headerSize).prefix(gone.count)) == gone)
    }

    /// An earlier version takes the other magic for the end of the journal.
    @Test func aRemovedSubtreeIsOneEntryOfABatchWithItsOwnMagic() throws {
        let scales = Scales()
        let dom0 = try EmbeddedHost(storage: scales).caller(0)
        for name in ["x", "y", "z"] { dom0.write("/ab/cd/\(name)", "v") }
        #expect(dom0.rm("/ab/cd") == .ok)
        #expect(Array(scales.batch.bytes.prefix(4)) == Array("sta3".utf8))
        let gone: [UInt8] = [6, 0, 0, 0, 254, 255, 255, 255] + Array("/ab/cd".utf8)
        #expect(Array(scales.batch.bytes.dropFirst(Batch.headerSize).prefix(gone.count)) == gone)
        Batch.withOutcome(of: scales.batch.bytes, after: 0) { outcome in
            for (path, isGone) in [("/ab/cd", true), ("/ab/cd/x", true), ("/ab/cde", false), ("/ab", false)] {
                Array(path.utf8).withUnsafeBytes { #expect(outcome.subtrees.contains(Bytes($0)) == isGone, "\(path)") }
            }
        }
        #expect(dom0.write("/ab", "v") == .ok)
        #expect(Array(scales.batch.bytes.prefix(4)) == Array("sta2".utf8))
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

    let batch = Batch()
    private var number: UInt64 = 0

    init() {}
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    let wantsBatches = true
    func load(into loader: any StateLoader) throws(StorageError) {}
    func commit(_ changes: borrowing ChangeBatch) throws(StorageError) {
        try batch.take(changes)
        number += 1
        batch.seal(sequence: number, store: Self.store)
    }
    func close() {}
}
