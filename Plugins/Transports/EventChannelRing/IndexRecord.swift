// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Synchronization
    import XenStorePlugin
    import XenStoreWire

    /// Records the next indexes of each ring in a file, which outlives the daemon but not the host.
    ///
    /// The page has one word for the replies that were put and another one for the requests that were taken. If the
    /// daemon died between the two writes, the next daemon would find the requests again and answer them twice. So the
    /// daemon first writes both indexes here, as one word. If the page has the new reply index, the next daemon also
    /// sets the other index.
    final class IndexRecord {
        private let base: UnsafeMutableRawPointer
        private let descriptor: Int32
        /// The pages of the file that surely have memory. On a full file system a write to another page would kill the
        /// daemon.
        private var isBacked = [Bool](repeating: false, count: pageCount)

        private static let entrySize = 8
        private static let byteCount = entrySize << 16
        private static let pageSize = 4096
        private static let pageCount = byteCount / pageSize

        /// Opens the file, and makes it if it does not exist.
        init(_ path: String) throws(SystemError) {
            if let slash = path.lastIndex(of: "/") { mkdir(String(path[..<slash]), 0o755) }
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard file >= 0 else { throw SystemError(errno, doing: "open '\(path)'") }
            var memory: UnsafeMutableRawPointer?
            if ftruncate(file, off_t(Self.byteCount)) == 0 {
                memory = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
            }
            guard let memory, memory != MAP_FAILED else {
                let failure = errno
                close(file)
                throw SystemError(failure, doing: "map '\(path)'")
            }
            base = memory
            descriptor = file
        }

        deinit {
            munmap(base, Self.byteCount)
            close(descriptor)
        }

        /// The indexes of a ring whose page has the indexes `shown`. If the last daemon died while it was writing
        /// them, these are the ones that it was writing.
        func completed(_ shown: StreamIndexes, of domain: DomainID) -> StreamIndexes {
            guard back(domain) else { return shown }
            let word = entry(domain).pointee.load(ordering: .relaxed)
            let intended = StreamIndexes(
                taken: UInt32(truncatingIfNeeded: word), put: UInt32(truncatingIfNeeded: word >> 32))
            return intended.put == shown.put ? intended : shown
        }

        /// Records the indexes that the daemon is about to write into the page.
        func write(_ indexes: StreamIndexes, of domain: DomainID) {
            guard back(domain) else { return }
            entry(domain).pointee.store(UInt64(indexes.put) << 32 | UInt64(indexes.taken), ordering: .releasing)
        }

        private func entry(_ domain: DomainID) -> UnsafeMutablePointer<Atomic<UInt64>> {
            (base + Int(domain.rawValue) * Self.entrySize).assumingMemoryBound(to: Atomic<UInt64>.self)
        }

        /// Makes sure that the domain's entry has memory.
        private func back(_ domain: DomainID) -> Bool {
            let page = Int(domain.rawValue) * Self.entrySize / Self.pageSize
            if isBacked[page] { return true }
            isBacked[page] = posix_fallocate(descriptor, off_t(page * Self.pageSize), off_t(Self.pageSize)) == 0
            return isBacked[page]
        }
    }
#endif
