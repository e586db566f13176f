// SPDX-License-Identifier: Apache-2.0
import Testing

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// The tables below the store, each against the plainest thing that does the same.
@Suite struct IndexTests {
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func hashIndexIsADictionary(seed: UInt64) {
        var random = Randomness(seed: seed)
        var index = HashIndex()
        var hashes: [UInt32: UInt32] = [:]
        // Few hashes, some next to each other and some at the end of the table: long probes that wrap.
        let pool = (0..<40).map { UInt32($0) } + (0..<20).map { UInt32.max - $0 }
        for step in 0..<4000 {
            if step % 1000 < 600 || hashes.isEmpty {
                let record = UInt32(step + 1)
                let hash = pool.randomElement(using: &random) ?? 0
                index.insert(record, hash: hash)
                hashes[record] = hash
            } else if let (record, hash) = hashes.randomElement(using: &random) {
                index.remove(record, hash: hash)
                hashes[record] = nil
            }
            if step % 100 == 0 {
                for (record, hash) in hashes {
                    #expect(index.find(hash) { $0 == record } == record, "seed \(seed), step \(step)")
                }
            }
            #expect(index.find(12345) { _ in true } == 0)
        }
        #expect(index.count == hashes.count)
    }

    @Test func slabGivesNumbersOutAgainAndNever0() {
        var slab = Slab<UInt64>()
        let numbers = (0..<3000).map { slab.insert($0) }
        #expect(!numbers.contains(0))
        #expect(Set(numbers).count == 3000)
        for number in numbers where number % 2 == 0 { slab.remove(number) }
        #expect(slab.count == 1500)
        let again = (0..<1500).map { slab.insert(UInt64($0) + 10_000) }
        #expect(Set(again) == Set(numbers.filter { $0 % 2 == 0 }))
        for (value, number) in numbers.enumerated() where number % 2 == 1 {
            #expect(slab[number].pointee == UInt64(value))
        }
    }

    @Test func hashesDifferByTheSeed() {
        let name = Array("name".utf8)
        let hashes = name.withUnsafeBytes { name in
            (0..<100).map { PathHash(seed: $0).child(name, of: PathHash(seed: $0).root) }
        }
        #expect(Set(hashes).count == 100)
    }

    @Test func hashesTellPathsApart() {
        let hashing = PathHash(seed: 7)
        var seen: Set<UInt64> = [hashing.root]
        for path in [
            "/a", "/b", "/a/b", "/b/a", "/ab", "/a/a", "/aa", "/a/bc", "/ab/c", "/abcdefgh", "/abcdefgh/i",
            "/abcdefghi",
        ] {
            let hash = path.split(separator: "/").reduce(hashing.root) { hash, name in
                Array(name.utf8).withUnsafeBytes { hashing.child($0, of: hash) }
            }
            #expect(seen.insert(hash).inserted, "\(path)")
        }
    }

    @Test func scannersHashIsThatOfTheNames() throws {
        let hashing = PathHash(seed: 7)
        let scanner = PathScanner(hashing: hashing)
        let path = "/local/domain/5/abcdefgh/abcdefghi/x"
        try Array(path.utf8).withUnsafeBytes { bytes in
            // A path borrows from its scanner.
            defer { withExtendedLifetime(scanner) {} }
            let scanned = try scanner.scan(bytes, home: .control)
            let hash = path.split(separator: "/").reduce(hashing.root) { hash, name in
                Array(name.utf8).withUnsafeBytes { hashing.child($0, of: hash) }
            }
            #expect(scanned.hash == hash)
            #expect(scanned.depth == 6)
        }
    }

    /// A scanner remembers the last path. Whatever came before, it reads a path as a new scanner does.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func aPathIsReadAlikeWhateverCameBefore(seed: UInt64) {
        var random = Randomness(seed: seed + 1)
        let hashing = PathHash(seed: 7)
        let scanner = PathScanner(hashing: hashing)
        let names = [
            "a", "b", "ab", "local", "domain", "12345678", "123456789", "", "b/a", String(repeating: "x", count: 40),
            "!", "@c",
        ]
        for _ in 0..<4000 {
            let depth = Int(random.next() % 6)
            let path = Array((0..<depth).map { _ in "/" + names.randomElement(using: &random)! }.joined().utf8)
            let isTrusted = random.next() % 4 == 0
            let read = Reading(of: path, by: scanner, isTrusted)
            let expected = Reading(of: path, by: PathScanner(hashing: hashing), isTrusted)
            #expect(read == expected, "\(String(decoding: path, as: UTF8.self))")
        }
    }

    /// What a scanner says of a path: nil if that it is none, else the hash and length of each prefix.
    private struct Reading: Equatable {
        var prefixes: [(hash: UInt64, length: Int)]?

        init(of path: [UInt8], by scanner: PathScanner, _ isTrusted: Bool) {
            path.withUnsafeBytes { bytes in
                defer { withExtendedLifetime(scanner) {} }
                guard let path = try? scanner.scan(bytes, home: .control, specials: true, isTrusted: isTrusted) else {
                    return
                }
                prefixes =
                    path.isSpecial
                    ? [(path.hash, 0)]
                    : (0...path.depth).map { depth in
                        (path.hash(at: depth), path.prefix(depth).bytes.count)
                    }
            }
        }

        static func == (a: Reading, b: Reading) -> Bool {
            guard let a = a.prefixes, let b = b.prefixes else { return (a.prefixes == nil) == (b.prefixes == nil) }
            return a.map(\.hash) == b.map(\.hash) && a.map(\.length) == b.map(\.length)
        }
    }
}
