// SPDX-License-Identifier: Apache-2.0

/// The known word that the writer of an unknown word most likely meant; nil if no word is near enough to help.
package func nearest(to word: String, among known: [String]) -> String? {
    let typed = Array(word.utf8)
    // No key is longer, and the work grows with the length.
    guard typed.count <= 64 else { return nil }
    var best: (word: String, distance: Int)?
    for candidate in known {
        let distance = editDistance(typed, Array(candidate.utf8))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    // At most one slip in three letters; with more it is another word.
    guard let best, best.distance <= max(1, max(typed.count, best.word.utf8.count) / 3) else { return nil }
    return best.word
}

/// How many letters must be added, removed, replaced or swapped with the next one to turn `a` into `b` (optimal string
/// alignment). A difference in case, or `_` instead of `-`, costs nothing.
package func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    let a = a.map(folded)
    let b = b.map(folded)
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 0..<a.count {
        var row = [Int](repeating: i + 1, count: b.count + 1)
        for j in 0..<b.count {
            let replaced = last[j] + (a[i] == b[j] ? 0 : 1)
            row[j + 1] = min(replaced, last[j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1)
            }
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}

private func folded(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
    case UInt8(ascii: "_"): UInt8(ascii: "-")
    default: byte
    }
}
