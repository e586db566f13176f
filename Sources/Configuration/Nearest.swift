// SPDX-License-Identifier: Apache-2.0

/// The known word that was most likely meant by an unknown one; nil if none is near enough to be
/// more help than confusion.
func nearest(to word: String, among known: [String]) -> String? {
    let typed = Array(word.utf8)
    // No key is that long, and the work grows with the length.
    guard typed.count <= 64 else { return nil }
    var best: (word: String, distance: Int)?
    for candidate in known {
        let distance = editDistance(typed, Array(candidate.utf8))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    // One slip in three letters is a slip, more is another word.
    guard let best, best.distance <= max(1, max(typed.count, best.word.utf8.count) / 3) else { return nil }
    return best.word
}

/// How many letters must be typed, left out, replaced or swapped with the next to make `b` of `a`
/// (optimal string alignment). Case, and `_` for `-`, cost nothing.
func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
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
