// SPDX-License-Identifier: Apache-2.0

/// Records of one size, by number, in chunks that never move. No record has the number 0.
struct Slab<Element: BitwiseCopyable>: ~Copyable {
    private var chunks: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
    private var chunkCount = 0
    private var chunkCapacity = 8
    /// Each number below this was used at least once.
    private(set) var next: UInt32 = 1
    private var free: [UInt32] = []

    private static var chunkBits: UInt32 { 10 }
    private static var chunkSize: UInt32 { 1 << chunkBits }

    init() {
        chunks = .allocate(capacity: 8)
    }

    deinit {
        for index in 0..<chunkCount { chunks[index].deallocate() }
        chunks.deallocate()
    }

    /// The number of records in use.
    var count: Int { Int(next) - 1 - free.count }

    @inline(__always)
    subscript(number: UInt32) -> UnsafeMutablePointer<Element> {
        chunks[Int(number &>> Slab.chunkBits)] + Int(number & (Slab.chunkSize &- 1))
    }

    /// Stores `record` and returns its number.
    mutating func insert(_ record: Element) -> UInt32 {
        if let number = free.popLast() {
            self[number].pointee = record
            return number
        }
        let number = next
        next += 1
        if Int(number &>> Slab.chunkBits) >= chunkCount { addChunk() }
        self[number].initialize(to: record)
        return number
    }

    mutating func remove(_ number: UInt32) {
        free.append(number)
    }

    /// Calls `body` with every record that was ever used, even if it is free now.
    func forEach(_ body: (UInt32, UnsafeMutablePointer<Element>) -> Void) {
        for number in 1..<next { body(number, self[number]) }
    }

    private mutating func addChunk() {
        if chunkCount == chunkCapacity {
            let larger = UnsafeMutablePointer<UnsafeMutablePointer<Element>>
                .allocate(capacity: chunkCapacity * 2)
            larger.moveInitialize(from: chunks, count: chunkCount)
            chunks.deallocate()
            chunks = larger
            chunkCapacity *= 2
        }
        (chunks + chunkCount).initialize(to: .allocate(capacity: Int(Slab.chunkSize)))
        chunkCount += 1
    }
}
