// SPDX-License-Identifier: Apache-2.0
#if TDB
    import JournaledStorage

    /// Finds records in the bytes of a damaged table. It trusts nothing else in the file: a record counts if its hash
    /// fits its key.
    struct Salvage {
        private var bytes: [UInt8]

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            takeBackInterrupted()
        }

        /// Calls `body` with each whole record. The same key may come more than once.
        func forEachRecord(_ body: (Bytes, UnsafeRawBufferPointer) -> Void) {
            let layout = TableLayout.self
            bytes.withUnsafeBytes { bytes in
                var offset = layout.headerSize
                while offset + layout.recordSize <= bytes.count {
                    let end = end(ofRecordAt: offset, in: bytes)
                    if let record = Self.record(at: offset, in: bytes) {
                        body(record.key, record.data)
                        offset = max(record.end, end ?? 0)
                    } else {
                        // Skips free records, which may hold nodes that were removed long ago.
                        offset = end ?? offset + 4
                    }
                }
            }
        }

        /// The end of a possible record at this offset, used or free; nil if there is none.
        private func end(ofRecordAt offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
            let layout = TableLayout.self
            let magic: UInt32 = bytes.number(at: offset + layout.magicOffset)
            let known = [layout.usedMagic, layout.freeMagic, layout.deadMagic, layout.recoveryMagic]
            let isRecovery = offset == Int(bytes.number(at: layout.recoveryOffset) as UInt32)
            guard known.contains(magic) || isRecovery && magic == 0 else { return nil }
            let room = Int(bytes.number(at: offset + layout.roomOffset) as UInt32)
            let end = offset + layout.recordSize + room
            return room > 0 && end <= bytes.count && end % 4 == 0 ? end : nil
        }

        /// The record with its header at this offset; nil if there is none, or if its key is damaged.
        static func record(
            at offset: Int, in bytes: UnsafeRawBufferPointer
        ) -> (key: Bytes, data: UnsafeRawBufferPointer, end: Int)? {
            let layout = TableLayout.self
            guard bytes.number(at: offset + layout.magicOffset) as UInt32 == layout.usedMagic else { return nil }
            let keyLength = Int(bytes.number(at: offset + layout.keyLengthOffset) as UInt32)
            let dataLength = Int(bytes.number(at: offset + layout.dataLengthOffset) as UInt32)
            let start = offset + layout.recordSize
            let end = start + keyLength + dataLength
            guard keyLength > 0, end <= bytes.count else { return nil }
            let key = UnsafeRawBufferPointer(rebasing: bytes[start..<start + keyLength])
            guard layout.hash(key) == bytes.number(at: offset + layout.hashOffset) else { return nil }
            return (Bytes(key), UnsafeRawBufferPointer(rebasing: bytes[start + keyLength..<end]), (end + 3) & ~3)
        }

        /// Undoes an unfinished transaction, if the bytes that this needs are whole.
        private mutating func takeBackInterrupted() {
            let layout = TableLayout.self
            guard bytes.count > layout.headerSize else { return }
            let offset = Int(bytes.number(at: layout.recoveryOffset) as UInt32)
            guard offset > 0, offset <= bytes.count - layout.recordSize,
                bytes.number(at: offset + layout.magicOffset) as UInt32 == layout.recoveryMagic
            else { return }
            let length = Int(bytes.number(at: offset + layout.dataLengthOffset) as UInt32)
            let start = offset + layout.recordSize
            guard length <= bytes.count - start else { return }
            let data = Array(bytes[start..<start + length])
            let count = bytes.count
            guard layout.forEachRecovered(in: data, { $0 + $1.count <= count }) else { return }
            _ = layout.forEachRecovered(in: data) { place, old in
                bytes.replaceSubrange(place..<place + old.count, with: old)
                return true
            }
        }
    }
#endif
