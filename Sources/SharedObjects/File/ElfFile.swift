// SPDX-License-Identifier: Apache-2.0

/// What a shared object says of itself, read without running any of it: its notes, and whether it looks for libraries
/// in folders of its own.
struct ElfFile {
    /// The texts of our notes.
    private(set) var descriptions: [[UInt8]] = []
    private(set) var hasRunPath = false

    /// Why a file is no shared object for this machine.
    struct Flaw: Error {
        let text: String
    }

    private static let headerSize = 64
    private static let segmentSize = 56
    private static let segmentsMax = 128
    private static let partMax = 1 << 20
    private static let noteOwner = Array("sxenstored\0".utf8)

    private enum Segment {
        static let dynamic: UInt32 = 2
        static let note: UInt32 = 4
    }

    init(_ file: TrustedFile) throws(Flaw) {
        guard let header = file.bytes(at: 0, count: Self.headerSize), header.starts(with: [0x7f] + Array("ELF".utf8))
        else { throw Flaw(text: "is not a shared object") }
        guard header[4] == 2, header[5] == (Int(1).littleEndian == 1 ? 1 : 2),
            header.number(at: 18, as: UInt16.self) == Self.machine
        else { throw Flaw(text: "is a program for another kind of machine") }
        guard header.number(at: 16, as: UInt16.self) == 3 else { throw Flaw(text: "is not a shared object") }
        let count = Int(header.number(at: 56, as: UInt16.self))
        guard count <= Self.segmentsMax, header.number(at: 54, as: UInt16.self) == Self.segmentSize,
            let table = file.bytes(at: header.number(at: 32), count: count * Self.segmentSize)
        else { throw Flaw(text: "is damaged: it has no table of segments") }
        for index in 0..<count {
            try read(table[(index * Self.segmentSize)...].prefix(Self.segmentSize).map { $0 }, file)
        }
    }

    private mutating func read(_ segment: [UInt8], _ file: TrustedFile) throws(Flaw) {
        let kind = segment.number(at: 0, as: UInt32.self)
        guard kind == Segment.note || kind == Segment.dynamic else { return }
        let size: UInt64 = segment.number(at: 32)
        guard size <= Self.partMax, let bytes = file.bytes(at: segment.number(at: 8), count: Int(size)) else {
            throw Flaw(text: "is damaged: a segment is not in the file")
        }
        if kind == Segment.note { readNotes(bytes) } else { readDynamic(bytes) }
    }

    /// Each note has the lengths of its owner and its text, its type, the owner and the text.
    private mutating func readNotes(_ bytes: [UInt8]) {
        var at = 0
        while bytes.count - at >= 12 {
            let ownerSize = Int(bytes.number(at: at, as: UInt32.self))
            let textSize = Int(bytes.number(at: at + 4, as: UInt32.self))
            let type = bytes.number(at: at + 8, as: UInt32.self)
            let owner = at + 12
            let text = owner + (ownerSize + 3) / 4 * 4
            let end = text + (textSize + 3) / 4 * 4
            guard text <= bytes.count, text + textSize <= bytes.count else { return }
            if type == 1, bytes[owner..<(owner + ownerSize)].elementsEqual(Self.noteOwner) {
                descriptions.append(bytes[text..<(text + textSize)].prefix { $0 != 0 }.map { $0 })
            }
            at = end
        }
    }

    private mutating func readDynamic(_ bytes: [UInt8]) {
        let (runPath, oldRunPath) = (29, 15)
        for at in stride(from: 0, to: bytes.count - 15, by: 16) {
            let tag = Int64(bitPattern: bytes.number(at: at))
            if tag == 0 { return }
            if tag == runPath || tag == oldRunPath { hasRunPath = true }
        }
    }

    #if arch(x86_64)
        private static let machine: UInt16 = 62
    #elseif arch(arm64)
        private static let machine: UInt16 = 183
    #elseif arch(riscv64)
        private static let machine: UInt16 = 243
    #else
        #error("add the number of this machine in ELF files")
    #endif
}

extension [UInt8] {
    /// A number of this machine's byte order. The caller has checked that the bytes are there.
    fileprivate func number<Number: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Number.Type = Number.self
    ) -> Number {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    }
}
