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
            for piece in safe { Disk.carryOut(piece.entry, resizes: true, on: &content) { _ in true } }
            onTheWay.removeFirst(safe.count)
        }

        fileprivate func content(_ luck: Disk.Luck, _ random: inout Randomness) -> [UInt8] {
            var content = self.content
            // The sizes of files are kept in order, and apart from what is in them.
            let sizes = random.any(of: [0, onTheWay.count, random.number(0...onTheWay.count)])
            for (number, piece) in onTheWay.enumerated() {
                let isSafe = piece.fate == .safe
                let isThere = random.once(in: 2)
                Disk.carryOut(piece.entry, resizes: isSafe || number < sizes, on: &content) { _ in
                    if isSafe { return true }
                    return switch luck {
                    case .all: true
                    case .nothing: false
                    case .some: isThere
                    case .sectors: random.once(in: 2)
                    }
                }
            }
            return content
        }
    }

    extension Disk {
        /// Carries out a change of a file, each sector if it is to be written.
        fileprivate static func carryOut(
            _ entry: DiskLog.Entry, resizes: Bool, on content: inout [UInt8], _ isWritten: (Int) -> Bool
        ) {
            if entry.kind == .sized {
                if resizes { resize(&content, to: entry.size) }
                return
            }
            let end = entry.offset + entry.size
            if resizes, content.count < end { resize(&content, to: end) }
            var start = entry.offset
            while start < end {
                let stop = min(end, (start / sectorSize + 1) * sectorSize)
                if isWritten(start / sectorSize), start < content.count {
                    let last = min(stop, content.count)
                    content.withUnsafeMutableBytes {
                        UnsafeMutableRawBufferPointer(rebasing: $0[start..<last]).copyMemory(
                            from: UnsafeRawBufferPointer(
                                rebasing: entry.bytes[start - entry.offset..<last - entry.offset]))
                    }
                }
                start = stop
            }
        }

        private static func resize(_ content: inout [UInt8], to size: Int) {
            if size < content.count { content.removeLast(content.count - size) }
            content.append(contentsOf: repeatElement(0, count: size - content.count))
        }
    }
#endif
