// SPDX-License-Identifier: Apache-2.0
#if TDB
    import TestSupport

    /// A disk as far as a log goes: what is safely on it, and what may be on it or not.
    ///
    /// It is as strict as POSIX: of what was written since a file's last sync any sectors may be there, a
    /// file may be longer than what was written of it, and names are safe when their folder is synced, of
    /// which until then any number of changes may be there, the first ones first.
    struct Disk {
        private var files: [Int: File] = [:]
        private var names: [String: Int] = [:]
        private var changes: [DiskLog.Entry] = []

        fileprivate static let sectorSize = 512

        fileprivate struct File {
            /// What is safe, but for what is on the way.
            var content: [UInt8] = []
            var onTheWay: [Piece] = []
        }

        /// A write, or a change of the size.
        fileprivate struct Piece {
            let entry: DiskLog.Entry
            var fate = Fate.open

            enum Fate {
                case open
                case safe
                /// The sync failed: it may be there or not, and no later sync changes that.
                case lost
            }
        }

        mutating func add(_ entry: DiskLog.Entry) {
            switch entry.kind {
            case .there:
                files[entry.file] = File(content: Array(entry.bytes))
                names[entry.names[0]] = entry.file
            case .made:
                files[entry.file] = File()
                changes.append(entry)
            case .renamed, .unlinked: changes.append(entry)
            case .written, .sized: files[entry.file]?.onTheWay.append(Piece(entry: entry))
            case .synced where entry.file == 0:
                for change in changes { Self.carryOut(change, on: &names) }
                changes = []
            case .synced: files[entry.file]?.settle(.safe)
            case .lost: if entry.file != 0 { files[entry.file]?.settle(.lost) }
            case .opened: break
            }
        }

        private static func carryOut(_ change: DiskLog.Entry, on names: inout [String: Int]) {
            switch change.kind {
            case .made: names[change.names[0]] = change.file
            case .renamed: names[change.names[1]] = names.removeValue(forKey: change.names[0])
            default: names[change.names[0]] = nil
            }
        }

        /// How much of what is not safe is there.
        fileprivate enum Luck: CaseIterable {
            case all
            case nothing
            case some
            case sectors
        }

        /// What is found at least, for any number of the names' changes that are not safe.
        var leastFolders: [[String: [UInt8]]] { folders { $0.content } }

        /// What is found at most, for any number of the names' changes that are not safe: all that was written is
        /// there, also what a sync has failed to write, and nothing was cut off.
        var mostFolders: [[String: [UInt8]]] { folders { $0.mostContent } }

        private func folders(_ content: (File) -> [UInt8]) -> [[String: [UInt8]]] {
            (0...changes.count).map { count in
                var found = names
                for change in changes.prefix(count) { Self.carryOut(change, on: &found) }
                return found.compactMapValues { files[$0].map(content) }
            }
        }

        /// One of the folders that may be found after power was lost here.
        func folder(_ random: inout Randomness) -> [String: [UInt8]] {
            var found = names
            let count = random.any(of: [0, changes.count, random.number(0...changes.count)])
            for change in changes.prefix(count) { Self.carryOut(change, on: &found) }
            let luck = random.any(of: Luck.allCases)
            return found.compactMapValues { files[$0]?.content(luck, &random) }
        }
    }

    extension Disk.File {
        /// All that is open is safe now, or lost.
        fileprivate mutating func settle(_ fate: Disk.Piece.Fate) {
            for index in onTheWay.indices where onTheWay[index].fate == .open { onTheWay[index].fate = fate }
            let safe = onTheWay.prefix { $0.fate == .safe }
            for piece in safe {
                Disk.resize(&content, as: piece.entry)
                Disk.put(piece.entry, in: &content)
            }
            onTheWay.removeFirst(safe.count)
        }

        fileprivate var mostContent: [UInt8] {
            var content = content
            for piece in onTheWay where piece.entry.kind == .written {
                Disk.resize(&content, as: piece.entry)
                Disk.put(piece.entry, in: &content)
            }
            return content
        }

        fileprivate func content(_ luck: Disk.Luck, _ random: inout Randomness) -> [UInt8] {
            var content = self.content
            // The sizes of files are kept in order, and apart from what is in them.
            let sizes = random.any(of: [0, onTheWay.count, random.number(0...onTheWay.count)])
            for (number, piece) in onTheWay.enumerated() {
                let isSafe = piece.fate == .safe
                let isThere = random.once(in: 2)
                if isSafe || number < sizes { Disk.resize(&content, as: piece.entry) }
                switch luck {
                case _ where isSafe, .all: Disk.put(piece.entry, in: &content)
                case .nothing: break
                case .some: if isThere { Disk.put(piece.entry, in: &content) }
                case .sectors: Disk.putSectors(piece.entry, in: &content, &random)
                }
            }
            return content
        }
    }

    extension Disk {
        /// Changes the size as a write does, or whatever else the entry is.
        fileprivate static func resize(_ content: inout [UInt8], as entry: DiskLog.Entry) {
            let size = entry.kind == .sized ? entry.size : max(content.count, entry.offset + entry.size)
            if size < content.count { content.removeLast(content.count - size) }
            // Not one by one: a journal grows by a mebibyte of zeros at a time.
            if size > content.count { content += [UInt8](repeating: 0, count: size - content.count) }
        }

        /// Carries out a write, as far as the file reaches.
        fileprivate static func put(_ entry: DiskLog.Entry, in content: inout [UInt8]) {
            if entry.kind == .written { put(entry, entry.offset..<entry.offset + entry.size, in: &content) }
        }

        /// Carries out any part of a write.
        fileprivate static func putSectors(
            _ entry: DiskLog.Entry, in content: inout [UInt8], _ random: inout Randomness
        ) {
            guard entry.kind == .written else { return }
            let end = entry.offset + entry.size
            var start = entry.offset
            while start < end {
                let stop = min(end, (start / sectorSize + 1) * sectorSize)
                if random.once(in: 2) { put(entry, start..<stop, in: &content) }
                start = stop
            }
        }

        private static func put(_ entry: DiskLog.Entry, _ range: Range<Int>, in content: inout [UInt8]) {
            let count = min(range.upperBound, content.count) - range.lowerBound
            guard count > 0, let source = entry.bytes.baseAddress else { return }
            content.withUnsafeMutableBytes {
                $0.baseAddress?.advanced(by: range.lowerBound).copyMemory(
                    from: source + (range.lowerBound - entry.offset), byteCount: count)
            }
        }
    }
#endif
